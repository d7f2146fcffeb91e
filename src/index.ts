/**
 * The library: searches as the command line runs them, the files that they read, the store that they write, and forecasts.
 * Ports, fixtures and contract tests for your own devices, proposers and stores are in `kernelcast/testing`.
 * @module
 */
export { searchTask, type SearchRequest, type SearchResult } from "./serve/search-task.ts";
export { forecastTask, type ForecastTaskRequest, type ForecastTaskResult } from "./serve/forecast/forecast-task.ts";
export { submit, type SubmitRequest, type SubmitResult, type SubmittedKernel } from "./serve/submit/submit.ts";
export { type SubmissionDocument, type SubmissionStatus } from "./serve/submit/submission-document.ts";
export { createLlmForecaster } from "./forecast/llm/llm-forecaster.ts";
export type { LlmForecasterOptions } from "./forecast/llm/options.ts";
export type { FormName } from "./forecast/llm/form.ts";
export { sanitisedForecaster } from "./serve/sanitised-forecaster.ts";
export { breakEvenSeconds, worthOfAsking, type Asking, type Worth } from "./decide/worth.ts";
export { createLlmProposer, type LlmProposerOptions } from "./propose/llm/llm-proposer.ts";
export { openForecaster, type OpenForecasterOptions } from "./serve/open-forecaster.ts";
export { loadTask } from "./formats/load-task.ts";
export { loadRecording, type LoadOptions } from "./formats/load-recording.ts";
export { openAnswerStore, openRunStore } from "./store/sqlite-run-store.ts";
export {
  batchPrice,
  createLanguageModels,
  createMemoryAnswerStore,
  type LanguageModels,
  type LanguageModelsOptions,
} from "./language-model/index.ts";
export { createMemoryRunStore } from "./store/memory-run-store.ts";
export {
  expectedImprovement,
  forecastCdf,
  forecastCrps,
  forecastLogScore,
  forecastMean,
  forecastPdf,
  forecastQuantile,
  fromQuantiles,
  KernelcastError,
  probabilityBelow,
  recordedRuntimeUs,
  shiftBy,
  speedupAgainst,
  toQuantilesUs,
  type Anchor,
  type AnswerStore,
  type Budget,
  type Candidate,
  type CompileOutcome,
  type Confirmation,
  type Device,
  type DeviceInfo,
  type ErrorCode,
  type Evidence,
  type FailedMeasurement,
  type Forecast,
  type ForecastAnswer,
  type Forecaster,
  type ForecastFailure,
  type ForecastReason,
  type ForecastRequest,
  type Generated,
  type GenerateOutcome,
  type GenerateRequest,
  type GenerationFailure,
  type GenerationFault,
  type Kernel,
  type LanguageModel,
  type LanguageModelAbilities,
  type LanguageModelCall,
  type LanguageModelLimit,
  type Launch,
  type LaunchArgument,
  type Measurement,
  type MeasurementConditions,
  type MeasurementStatus,
  type MeasureRequest,
  type ModelPrice,
  type OkMeasurement,
  type DuplicateProposal,
  type PastProposal,
  type Proposal,
  type ProposalFailure,
  type ProposeContext,
  type Proposer,
  type RecordedForecast,
  type SavedCost,
  type RecordedKernel,
  type RecordedMeasurement,
  type RecordedTask,
  type Recording,
  type Runtime,
  type RuntimeDistribution,
  type RuntimeQuantiles,
  type RunStore,
  type RunSummary,
  type Spending,
  type StoredEvent,
  type Task,
  type TaskArgument,
  type TokenChoice,
  type TokenUsage,
  type Tolerance,
  type TunableSpace,
  type Workload,
} from "./domain/index.ts";
