import { describe, expect, it } from "vitest";
import { forecasterContract, syntheticForecaster, syntheticRequest } from "./index.ts";

forecasterContract("synthetic", { request: syntheticRequest(), open: syntheticForecaster }, { describe, it, expect });
