import type { ErrorCode } from "../../domain/index.ts";
import type { SearchCell } from "../../evaluate/searches/search-cell.ts";
import type { Arm } from "./arms.ts";
import type { TaskJob } from "./run-task.ts";

/** The first message to a worker of a bench, once it is ready. */
export interface WorkerSetting {
  readonly recording: string;
  readonly device: string;
  readonly taskIds: readonly string[];
  readonly measurements: number;
  /** Folder where what was read of kernels is kept. */
  readonly workspace: string;
}

/** To a worker; without a job it ends. */
export interface WorkerOrder {
  readonly job: TaskJob | undefined;
}

/** From a worker. */
export type WorkerNews =
  | {
      readonly type: "cell";
      readonly taskId: string;
      readonly arm: Arm;
      readonly seed: number;
      readonly cell: SearchCell;
    }
  | { readonly type: "ready" }
  /** It waits for an order. */
  | { readonly type: "idle" }
  | { readonly type: "fault"; readonly code: ErrorCode; readonly message: string };
