import { defineGenerator } from "./kit/generator.ts";

export default defineGenerator({ taskId: "reduce-sum-f32", templates: [], mistakes: [] });
