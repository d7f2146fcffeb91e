/** How a search among 2^k sorted numbers is written. */
export type Search = "halving" | "steps" | "unrolled" | "base";

/**
 * `count_before(a, n, v, ties)`: how many of the n numbers of `a` come before v; equal ones do if `ties`. n is a power of two.
 * `type` is the pointer's type.
 */
export function searchFunction(search: Search, type = "const int*"): string {
  const head = `__device__ __forceinline__ int count_before(${type} a, int n, int v, bool ties) {`;
  if (search === "halving") {
    return `
      ${head}
        int low = 0, high = n;
        while (low < high) {
          const int middle = (low + high) / 2;
          const int w = a[middle];
          if (w < v || (ties && w == v)) low = middle + 1;
          else high = middle;
        }
        return low;
      }
    `;
  }
  if (search === "base") {
    return `
      ${head}
        ${type} base = a;
        for (int half = n / 2; half > 0; half /= 2) {
          const int w = base[half - 1];
          base += (ties ? w <= v : w < v) ? half : 0;
        }
        return (int)(base - a) + ((ties ? *base <= v : *base < v) ? 1 : 0);
      }
    `;
  }
  return `
    ${head}
      int count = 0;
      ${search === "unrolled" ? "#pragma unroll" : "#pragma unroll 1"}
      for (int step = n >> 1; step > 0; step >>= 1) {
        const int w = a[count + step - 1];
        if (w < v || (ties && w == v)) count += step;
      }
      const int w = a[count];
      return count + (w < v || (ties && w == v));
    }
  `;
}

export type Split = "while" | "bounded" | "steps";

/** How an entry of an array is read. */
export type At = (array: string, index: string) => string;

/** `split_at(a, b, n, diagonal)`: how many of the first `diagonal` numbers of the merge of a and b come from a; both have n. With `offsets`, a and b are places in `cells`. */
export function splitFunction(way: Split, at: At, offsets = false): string {
  const arrays = offsets ? "const int* cells, int a, int b" : "const int* a, const int* b";
  const head = `__device__ __forceinline__ int split_at(${arrays}, int n, int diagonal) {`;
  if (way === "while") {
    return `
      ${head}
        int low = max(0, diagonal - n), high = min(diagonal, n);
        while (low < high) {
          const int middle = (low + high) >> 1;
          if (${at("a", "middle")} <= ${at("b", "diagonal - 1 - middle")}) low = middle + 1;
          else high = middle;
        }
        return low;
      }
    `;
  }
  if (way === "bounded") {
    return `
      ${head}
        int low = diagonal > n ? diagonal - n : 0;
        int left = (diagonal < n ? diagonal : n) - low;
        while (left > 0) {
          const int half = left / 2;
          const bool before = ${at("a", "low + half")} <= ${at("b", "diagonal - 1 - low - half")};
          low += before ? half + 1 : 0;
          left = before ? left - half - 1 : half;
        }
        return low;
      }
    `;
  }
  return `
    ${head}
      const int least = max(0, diagonal - n), most = min(diagonal, n);
      int low = least;
      for (int step = n; step > 0; step >>= 1) {
        const int next = low + step;
        if (next <= most && ${at("a", "next - 1")} <= ${at("b", "diagonal - next")}) low = next;
      }
      return low;
    }
  `;
}

export type Merge = "checked" | "select" | "sentinel";

/** Merges `count` numbers from a[i ...] and b[j ...], both n long, giving each to `emit(k, value)`. */
export function serialMerge(merge: Merge, count: string, at: At, emit: (k: string, value: string) => string): string {
  if (merge === "checked") {
    return `
      #pragma unroll
      for (int k = 0; k < ${count}; ++k) {
        int value;
        if (j >= n || (i < n && ${at("a", "i")} <= ${at("b", "j")})) {
          value = ${at("a", "i")};
          ++i;
        } else {
          value = ${at("b", "j")};
          ++j;
        }
        ${emit("k", "value")}
      }`;
  }
  if (merge === "select") {
    return `
      int head_a = ${at("a", "min(i, n - 1)")}, head_b = ${at("b", "min(j, n - 1)")};
      #pragma unroll
      for (int k = 0; k < ${count}; ++k) {
        const bool take_a = j >= n || (i < n && head_a <= head_b);
        ${emit("k", "(take_a ? head_a : head_b)")}
        if (take_a) {
          ++i;
          head_a = ${at("a", "min(i, n - 1)")};
        } else {
          ++j;
          head_b = ${at("b", "min(j, n - 1)")};
        }
      }`;
  }
  return `
    int head_a = i < n ? ${at("a", "i")} : 0x7fffffff;
    int head_b = j < n ? ${at("b", "j")} : 0x7fffffff;
    #pragma unroll
    for (int k = 0; k < ${count}; ++k) {
      if (head_a <= head_b) {
        ${emit("k", "head_a")}
        ++i;
        head_a = i < n ? ${at("a", "i")} : 0x7fffffff;
      } else {
        ${emit("k", "head_b")}
        ++j;
        head_b = j < n ? ${at("b", "j")} : 0x7fffffff;
      }
    }`;
}

export const plainAt: At = (array, index) => `${array}[${index}]`;
