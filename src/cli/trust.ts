import { buildCommand, buildRouteMap, type RouteMap } from "@stricli/core";
import { jsonFlag, text, type CliContext } from "./context.ts";
import type { ExportFlags, ImportFlags, SetFlags, TrustFlags } from "./trust-command.ts";

const optionalText = { kind: "parsed", parse: text, optional: true } as const;

const ledgerFlags = {
  workspace: { kind: "parsed", parse: text, brief: "Folder of runs, where the ledger is", default: ".kernelcast" },
  ledger: { ...optionalText, brief: "File of the ledger, where it is another" },
  json: jsonFlag,
} as const;

const keyFlags = {
  forecaster: { ...optionalText, brief: "Of this forecaster alone" },
  device: { ...optionalText, brief: "On this device alone: its name, or part of it" },
  ...ledgerFlags,
} as const;

const none = { kind: "tuple", parameters: [] } as const;

const statusCommand = buildCommand<TrustFlags, [], CliContext>({
  loader: async () => (await import("./trust-command.ts")).status,
  parameters: { positional: none, flags: keyFlags },
  docs: {
    brief: "How far each forecaster is trusted, on which device",
    fullDescription: "Example: kernelcast trust status --json",
  },
});

const historyCommand = buildCommand<TrustFlags, [], CliContext>({
  loader: async () => (await import("./trust-command.ts")).history,
  parameters: { positional: none, flags: keyFlags },
  docs: {
    brief: "Every change of trust, with its reason",
    fullDescription: "Example: kernelcast trust history --forecaster static",
  },
});

const explainCommand = buildCommand<TrustFlags, [], CliContext>({
  loader: async () => (await import("./trust-command.ts")).explain,
  parameters: { positional: none, flags: keyFlags },
  docs: {
    brief: "Why a forecaster is trusted, or what it lacks",
    fullDescription: "Example: kernelcast trust explain --forecaster adapt:auto",
  },
});

const setCommand = buildCommand<SetFlags, [string], CliContext>({
  loader: async () => (await import("./trust-command.ts")).set,
  parameters: {
    positional: { kind: "tuple", parameters: [{ brief: "shadow, canary or live", parse: text, placeholder: "level" }] },
    flags: {
      ...keyFlags,
      forecaster: { kind: "parsed", parse: text, brief: "Whose trust is set" },
      because: { kind: "parsed", parse: text, brief: "Why; kept in the ledger" },
      who: { ...optionalText, brief: "Who sets it (default: the user's name)" },
    },
  },
  docs: {
    brief: "Set a level by hand; who and why are kept",
    fullDescription:
      'What follows is judged as ever: a forecaster that breaks is demoted, whoever promoted it.\n\nExample: kernelcast trust set shadow --forecaster static --because "another cooler was fitted"',
  },
});

const exportCommand = buildCommand<ExportFlags, [], CliContext>({
  loader: async () => (await import("./trust-command.ts")).exportLedger,
  parameters: {
    positional: none,
    flags: { ...keyFlags, out: { ...optionalText, brief: "File to write; else standard output" } },
  },
  docs: {
    brief: "Write the ledger's entries as JSON Lines",
    fullDescription: "Example: kernelcast trust export --out trust.jsonl",
  },
});

const importCommand = buildCommand<ImportFlags, [string], CliContext>({
  loader: async () => (await import("./trust-command.ts")).importLedger,
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{ brief: "File that trust export wrote", parse: text, placeholder: "file" }],
    },
    flags: ledgerFlags,
  },
  docs: {
    brief: "Take over another ledger's entries; the same ones again change nothing",
    fullDescription: "Example: kernelcast trust import trust.jsonl",
  },
});

export const trustRoutes: RouteMap<CliContext> = buildRouteMap<
  "status" | "history" | "explain" | "set" | "export" | "import",
  CliContext
>({
  routes: {
    status: statusCommand,
    history: historyCommand,
    explain: explainCommand,
    set: setCommand,
    export: exportCommand,
    import: importCommand,
  },
  docs: { brief: "What forecasters may decide, and why" },
});
