import type { WorkerPackage } from "./worker-package.ts";

/**
 * What runs on a machine that has Python but nothing of ours. It reads the package from standard input (exactly its
 * length, so that the requests behind it stay in the pipe), checks its digest, unpacks it once per digest, and becomes the worker.
 * Unpacking is into a temporary folder that is renamed, so a half-written package is never run; where the home folder
 * cannot be written, the temporary folder itself is used.
 */
const program = `
import base64, hashlib, io, os, shutil, sys, tarfile, tempfile, zlib
digest, length, words = sys.argv[2], int(sys.argv[3]), sys.argv[4:]
if sys.version_info < (3, 9):
    sys.exit("Python 3.9 or later is needed, found " + sys.version.split()[0])
text = b""
while len(text) < length:
    piece = os.read(0, min(length - len(text), 1 << 16))
    if not piece:
        sys.exit("standard input ended early: the launcher must pass it on (docker run -i, kubectl exec -i)")
    text += piece
try:
    tar = zlib.decompress(base64.b64decode(text), 31)
except Exception:
    tar = b""
if hashlib.sha256(tar).hexdigest() != digest:
    sys.exit("the worker's files were damaged on the way: the launcher must pass standard input on unchanged (no terminal)")
def unpack(folder):
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        archive.extractall(folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
def install():
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    home = os.path.join(cache, "kernelcast", "worker-" + digest[:16])
    if os.path.isdir(home):
        return home
    os.makedirs(os.path.dirname(home), exist_ok=True)
    fresh = tempfile.mkdtemp(dir=os.path.dirname(home))
    unpack(fresh)
    try:
        os.rename(fresh, home)
    except OSError:
        shutil.rmtree(fresh, ignore_errors=True)
        if not os.path.isdir(home):
            raise
    return home
try:
    folder = install()
except OSError:
    folder = tempfile.mkdtemp(prefix="kernelcast-")
    unpack(folder)
os.environ["PYTHONPATH"] = os.pathsep.join([folder] + ([os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") else []))
python = sys.executable or "python3"
os.execvp(python, [python, "-m", "kernelcast_worker"] + words)
`;

/** Only characters that every shell leaves alone inside single quotes. */
const loader = "import base64,sys;exec(base64.b64decode(sys.argv[1]))";

/** The words that start a worker where nothing is installed; `preamble` must be the first thing on its standard input. */
export function bootstrapWorker(
  pack: WorkerPackage,
  python: string,
  workerArgs: readonly string[],
): { readonly words: readonly string[]; readonly preamble: string } {
  const code = Buffer.from(program).toString("base64");
  return {
    words: [python, "-c", loader, code, pack.digest, String(pack.base64.length), ...workerArgs],
    preamble: pack.base64,
  };
}
