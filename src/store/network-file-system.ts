import { statfsSync } from "node:fs";

/** `f_type` of file systems on which SQLite's shared-memory WAL index is unsafe (Linux `statfs(2)` and kernel headers). */
const networkTypes: ReadonlyMap<number, string> = new Map([
  [0x6969, "NFS"],
  [0x517b, "SMB"],
  [0xff534d42, "CIFS"],
  [0xfe534d42, "SMB2"],
  [0x0bd00bd0, "Lustre"],
  [0x47504653, "GPFS"],
  [0x19830326, "BeeGFS"],
  [0x00c36400, "CephFS"],
  [0x01021997, "9P"],
  [0x65735546, "FUSE"],
]);

/** Name of the network file system that holds `folder`, or undefined when it is local or cannot be told. */
export function networkFileSystem(folder: string): string | undefined {
  try {
    return networkTypes.get(statfsSync(folder).type >>> 0);
  } catch {
    return undefined;
  }
}
