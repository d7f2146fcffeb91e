/** Share of a variance below which what is left of it is rounding: two points alike to the last digit. */
const leastShare = 1e-10;

/**
 * The lower Cholesky factor of a symmetric positive definite matrix that grows by a row and a column at a time. Rows lie one after
 * another in one array, so that a new one costs O(n²) and moves nothing.
 */
export class GrowingCholesky {
  #rows = new Float64Array(64);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Adds a row of the matrix: its entries against the rows before, and its diagonal. */
  append(entries: ArrayLike<number>, diagonal: number): void {
    const start = rowStart(this.#size);
    this.#reserve(start + this.#size + 1);
    const rows = this.#rows;
    let left = diagonal;
    for (let column = 0; column < this.#size; column++) {
      const above = rowStart(column);
      let value = entries[column] as number;
      for (let k = 0; k < column; k++) value -= (rows[above + k] as number) * (rows[start + k] as number);
      value /= rows[above + column] as number;
      rows[start + column] = value;
      left -= value * value;
    }
    rows[start + this.#size] = Math.sqrt(Math.max(left, leastShare * diagonal));
    this.#size++;
  }

  /** Forgets all rows from `size` on. */
  truncate(size: number): void {
    this.#size = Math.min(this.#size, size);
  }

  /** An entry of the factor. */
  at(row: number, column: number): number {
    return this.#rows[rowStart(row) + column] as number;
  }

  /**
   * Solves L·x = b from row `from` on, in place: entries before are a solution already, those from there on are b's. So a
   * solution follows a factor that has grown in O(n) per row.
   */
  solveLower(values: Float64Array, from = 0): void {
    const rows = this.#rows;
    for (let row = from; row < this.#size; row++) {
      const start = rowStart(row);
      let value = values[row] as number;
      for (let k = 0; k < row; k++) value -= (rows[start + k] as number) * (values[k] as number);
      values[row] = value / (rows[start + row] as number);
    }
  }

  /** Sum of the logarithms of the diagonal: half the log determinant of the matrix. */
  logDiagonal(): number {
    let sum = 0;
    for (let row = 0; row < this.#size; row++) sum += Math.log(this.at(row, row));
    return sum;
  }

  #reserve(length: number): void {
    if (this.#rows.length >= length) return;
    const larger = new Float64Array(Math.max(length, 2 * this.#rows.length));
    larger.set(this.#rows);
    this.#rows = larger;
  }
}

function rowStart(row: number): number {
  return (row * (row + 1)) / 2;
}
