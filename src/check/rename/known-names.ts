/** Words of the language after which a name is not being declared, though it may stand there. */
const statementWords = new Set(
  "return else goto case throw new delete sizeof alignof decltype co_return do and or not operator using namespace".split(
    " ",
  ),
);

/** Words of the language that may stand before a declared name. */
const typeWords = new Set(
  (
    "void bool char short int long float double signed unsigned auto const constexpr consteval constinit volatile static inline " +
    "register extern mutable struct class union enum typename typedef virtual explicit friend thread_local restrict"
  ).split(" "),
);

const otherWords = new Set(
  (
    "if for while switch break continue default template this true false nullptr public private protected final override " +
    "noexcept static_assert static_cast reinterpret_cast const_cast dynamic_cast asm try catch alignas concept requires " +
    "defined include define undef ifdef ifndef elif endif pragma error warning line unroll nounroll"
  ).split(" "),
);

const externalTypes =
  /^(u?(char|short|int|long|longlong)|float|double|half|bool|nv_bfloat16|bfloat16)[1-4]?$|^nv_bfloat162$|^u?int(_fast|_least)?(8|16|32|64|ptr|max)_t$|^(size_t|ssize_t|ptrdiff_t|clock_t|dim3|uint|ulong|ushort|uchar|char1[26]_t|wchar_t|cudaTextureObject_t|cudaSurfaceObject_t|CUtensorMap)$/;

const mathNames = new Set(
  (
    "exp exp2 exp10 expm1 log log2 log10 log1p sqrt rsqrt cbrt rcbrt hypot rhypot pow sin cos tan sinpi cospi sincos " +
    "sincospi asin acos atan atan2 sinh cosh tanh asinh acosh atanh erf erfc erfinv erfcinv erfcx normcdf normcdfinv lgamma " +
    "tgamma fma fmod remainder remquo floor ceil trunc round rint nearbyint lrint llrint lround llround frexp ldexp scalbn " +
    "logb ilogb modf fdim fmax fmin fabs copysign nextafter"
  ).split(" "),
);

const externalNames = new Set(
  (
    "threadIdx blockIdx blockDim gridDim warpSize nvcuda wmma cooperative_groups std cuda thrust cub cg cute cutlass " +
    "min max abs labs llabs umin umax llmin llmax ullmin ullmax clock clock64 printf assert memcpy memset malloc free " +
    "isnan isinf isfinite signbit saturate swap move forward FLT_MAX FLT_MIN FLT_EPSILON DBL_MAX DBL_MIN INT_MAX INT_MIN " +
    "UINT_MAX LLONG_MAX ULLONG_MAX INFINITY NAN M_PI M_PI_F CUDART_INF_F NULL"
  ).split(" "),
);

const externalPatterns =
  /^(__\w*|atomic[A-Z]\w*|make_\w+\d|h2?(exp|log|sqrt|rsqrt|rcp|sin|cos|rint|trunc|floor|ceil)\w*|surf[123]D\w*|tex[123]D\w*|mma_sync|(load|store)_matrix_sync|fill_fragment|_\w*)$/;

/** Members of the vector types, and of what the headers of CUDA define: a name that may be one of theirs is left. */
const externalMembers = new Set(
  (
    "x y z w num_elements sync size num_threads thread_rank block_rank group_index thread_index dim_threads group_dim " +
    "meta_group_rank meta_group_size shfl shfl_up shfl_down shfl_xor any all ballot match_any match_all is_valid arrive wait " +
    "value type data begin end first second producer_acquire producer_commit consumer_wait consumer_release"
  ).split(" "),
);

/** True for a name that a language or its headers own, whatever a program does with it. */
export function isExternal(name: string): boolean {
  return (
    isWord(name) ||
    externalNames.has(name) ||
    externalTypes.test(name) ||
    externalPatterns.test(name) ||
    mathNames.has(name) ||
    (name.endsWith("f") && mathNames.has(name.slice(0, -1)))
  );
}

/** True for a member that something else than the program may own. */
export function isExternalMember(name: string): boolean {
  return externalMembers.has(name);
}

/** True for what may end a type: a type's own word or name, or any name that is no word of the language. */
export function mayEndType(name: string): boolean {
  return typeWords.has(name) || !(statementWords.has(name) || otherWords.has(name));
}

/** True for a word or a type that the language or CUDA defines: what follows is certainly no expression. */
export function isType(name: string): boolean {
  return typeWords.has(name) || externalTypes.test(name) || name === "__restrict__" || name === "__restrict";
}

/** True for a word of the language. */
export function isWord(name: string): boolean {
  return typeWords.has(name) || statementWords.has(name) || otherWords.has(name);
}
