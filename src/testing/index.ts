/**
 * For tests of code that uses or extends kernelcast: contract suites that every implementation of a port passes, and real
 * implementations without a device, a model or a file.
 * @module
 */
export { deviceContract, type DeviceFixture } from "./device-contract.ts";
export { forecasterContract, type ForecasterFixture } from "./forecaster-contract.ts";
export { proposerContract, type ProposerFixture } from "./proposer-contract.ts";
export { runStoreContract, type TestRunner } from "./run-store-contract.ts";
export {
  syntheticDevice,
  syntheticDeviceInfo,
  syntheticForecaster,
  syntheticProposer,
  syntheticTask,
} from "./synthetic.ts";
export { sabotagedForecaster, type Sabotage } from "./sabotaged-forecaster.ts";
export { syntheticRequest } from "./synthetic-request.ts";
export { syntheticRecording, type SyntheticRecordingOptions } from "./synthetic-recording.ts";
export { createMemoryRunStore } from "../store/memory-run-store.ts";
export {
  startFakeLanguageModelServer,
  type FakeLanguageModelServer,
  type FakeLanguageModelServerOptions,
} from "./fake-language-model-server.ts";
export type { FakeChatAnswer, FakeChatRequest, FakeUsage } from "./fake-chat.ts";
export {
  askedLabels,
  scriptedLanguageModel,
  type ScriptedAnswer,
  type ScriptedModel,
  type ScriptedModelOptions,
} from "./scripted-language-model.ts";
