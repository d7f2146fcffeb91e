import type { CudaToken } from "../../../domain/index.ts";

/** What a name or expression is declared as; enough to know widths, spaces and whether arithmetic is floating. */
export interface TypeName {
  /** Base name without qualifiers or template arguments, for example `float4` or `wmma::fragment`. */
  readonly name: string;
  readonly pointers: number;
  /** Of a pointer to an array, `T (*)[N][M]`: the extents of the array. */
  readonly rows?: readonly Expression[];
  readonly unsigned?: true;
  readonly reference?: true;
  /** Template arguments as written, without the angle brackets. */
  readonly template?: readonly CudaToken[];
}

export type Expression =
  | { readonly kind: "number"; readonly value: number; readonly floating: boolean; readonly text?: string }
  | { readonly kind: "text" }
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "member"; readonly object: Expression; readonly name: string }
  | { readonly kind: "index"; readonly object: Expression; readonly index: Expression }
  | {
      readonly kind: "call";
      readonly callee: Expression;
      readonly templateArguments: readonly Expression[];
      readonly arguments: readonly Expression[];
    }
  | { readonly kind: "unary"; readonly operator: string; readonly operand: Expression; readonly postfix: boolean }
  | { readonly kind: "binary"; readonly operator: string; readonly left: Expression; readonly right: Expression }
  | { readonly kind: "assign"; readonly operator: string; readonly target: Expression; readonly value: Expression }
  | { readonly kind: "choice"; readonly condition: Expression; readonly yes: Expression; readonly no: Expression }
  /** `reinterprets` is true of a `reinterpret_cast`. */
  | {
      readonly kind: "cast";
      readonly type: TypeName;
      readonly operand: Expression;
      readonly reinterprets?: true;
    }
  | { readonly kind: "sizeof"; readonly type: TypeName }
  | { readonly kind: "list"; readonly items: readonly Expression[]; readonly type?: TypeName }
  | { readonly kind: "lambda"; readonly definition: FunctionDefinition };

export interface Declarator {
  readonly name: string;
  readonly type: TypeName;
  /** Array extents; an empty list for scalars, `undefined` for `[]`. */
  readonly extents: readonly (Expression | undefined)[];
  readonly initial?: Expression;
}

export interface Declaration {
  readonly shared: boolean;
  readonly declarators: readonly Declarator[];
}

export type Statement =
  | { readonly kind: "block"; readonly body: readonly Statement[] }
  | { readonly kind: "if"; readonly condition: Expression; readonly yes: Statement; readonly no?: Statement }
  | {
      readonly kind: "loop";
      readonly initial?: Statement;
      readonly condition?: Expression;
      readonly step?: Expression;
      readonly body: Statement;
      /** True of `do … while`. */
      readonly bodyFirst?: true;
      /** From `#pragma unroll`: undefined without one, 0 for no number. */
      readonly unroll?: number;
    }
  | { readonly kind: "switch"; readonly value: Expression; readonly body: Statement }
  | { readonly kind: "return"; readonly value?: Expression }
  | { readonly kind: "declaration"; readonly declaration: Declaration }
  | { readonly kind: "expression"; readonly expression: Expression }
  | {
      readonly kind: "assembly";
      readonly text: string;
      readonly operands: readonly Expression[];
      /** As many as operands, for instance `"=r"`. */
      readonly constraints: readonly string[];
    }
  /** A label of a `switch`; without a value, `default`. */
  | { readonly kind: "case"; readonly value?: Expression }
  | { readonly kind: "leave"; readonly how: "break" | "continue" }
  | { readonly kind: "alias"; readonly name: string; readonly type: TypeName }
  /** `understood` is false where the parser gave up on a statement. */
  | { readonly kind: "nothing"; readonly understood?: false };

export interface Parameter {
  readonly name: string;
  readonly type: TypeName;
  readonly reference: boolean;
  readonly initial?: Expression;
}

/** One parameter of a template. */
export interface TemplateParameter {
  readonly name: string;
  readonly isType: boolean;
  /** The default as written. */
  readonly initial: readonly CudaToken[];
}

export interface FunctionDefinition {
  readonly name: string;
  readonly templateParameters: readonly string[];
  readonly template?: readonly TemplateParameter[];
  /** Arguments of `__launch_bounds__` as written. */
  readonly launchBounds?: readonly CudaToken[];
  readonly parameters: readonly Parameter[];
  readonly returns: TypeName;
  readonly body: Statement;
}

/** A structure's data members. */
export interface Layout {
  readonly members: readonly Declarator[];
  /** From `__align__`, as written; empty without. */
  readonly align: readonly CudaToken[];
  readonly isUnion: boolean;
  /** False where it has methods, is a template, or was not understood. */
  readonly plain: boolean;
}

/** A parsed source. What could not be parsed is left out and counted. */
export interface Program {
  readonly functions: ReadonlyMap<string, FunctionDefinition>;
  readonly globals: readonly Declaration[];
  /** Bytes of user-defined structures. */
  readonly structures: ReadonlyMap<string, number>;
  readonly aliases: ReadonlyMap<string, TypeName>;
  /** Names of the structures' fields. */
  readonly fields: ReadonlySet<string>;
  /** The structures' data members in order, by name of the structure. */
  readonly layouts: ReadonlyMap<string, Layout>;
  /** All functions of a name, where it has several. */
  readonly overloads: ReadonlyMap<string, readonly FunctionDefinition[]>;
  readonly skipped: number;
}
