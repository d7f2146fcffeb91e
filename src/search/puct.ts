/** A measured kernel that may be a parent. Reward: log2(seed runtime / runtime), higher is faster. */
export interface TreeNode {
  readonly kernelId: string;
  readonly parentId: string | null;
  reward: number;
  visits: number;
  bestChildReward: number | undefined;
  exhausted: boolean;
}

export interface PuctOptions {
  /** Exploration constant c of the score. */
  readonly explore: number;
  /** Most nodes kept as possible parents; the worst leave first, the root never. */
  readonly archive: number;
}

/** Chooses which kernels are the parents of the next proposals. */
export interface ParentChoice {
  add(node: { readonly kernelId: string; readonly parentId: string | null; readonly reward: number }): void;
  /** The next parent, none that is busy or exhausted, with what it was chosen by; undefined where there is none. */
  select(busy: ReadonlySet<string>): { readonly kernelId: string; readonly score: number } | undefined;
  exhaust(kernelId: string): void;
  /** Takes out a kernel that proved wrong: it is no parent any more, and its reward is not its parent's. */
  remove(kernelId: string): void;
  readonly size: number;
}

/**
 * Max-reward tree search with the PUCT score and a linear rank prior, as published for kernel search:
 * score(s) = Q + c · scale · P(s) · √(1 + T) / (1 + n(s)), with Q the best reward of a child where there is one, else the
 * node's own; P the rank prior (N − rank) / Σ; scale the spread of the rewards but the root's; T the selections so far;
 * n(s) those of the node or a descendant. Unlike the published one it keeps every child rather than the best few of a
 * parent, which would tie the archive to the number measured, and a busy root does not block its descendants, which are all.
 * No ancestor or descendant of a busy parent is chosen (lineage blocking).
 */
export function createPuct(options: PuctOptions): ParentChoice {
  const nodes = new Map<string, TreeNode>();
  const ranked: TreeNode[] = [];
  let totalVisits = 0;

  const visitLineage = (node: TreeNode): void => {
    for (let at: TreeNode | undefined = node; at; at = at.parentId === null ? undefined : nodes.get(at.parentId)) {
      at.visits++;
    }
    totalVisits++;
  };

  return {
    add(added) {
      const node: TreeNode = { ...added, visits: 0, bestChildReward: undefined, exhausted: false };
      nodes.set(node.kernelId, node);
      insertByReward(ranked, node);
      const parent = node.parentId === null ? undefined : nodes.get(node.parentId);
      if (parent) parent.bestChildReward = Math.max(parent.bestChildReward ?? node.reward, node.reward);
      dropWorst(ranked, options.archive);
    },
    select(busy) {
      const scale = rewardSpread(ranked);
      const explore = options.explore * scale * Math.sqrt(1 + totalVisits);
      const rankTotal = (ranked.length * (ranked.length + 1)) / 2;
      let best: TreeNode | undefined;
      let bestScore = Number.NEGATIVE_INFINITY;
      for (let rank = 0; rank < ranked.length; rank++) {
        const node = ranked[rank] as TreeNode;
        if (node.exhausted) continue;
        const prior = (ranked.length - rank) / rankTotal;
        const score = (node.bestChildReward ?? node.reward) + (explore * prior) / (1 + node.visits);
        if (score <= bestScore || isRelated(node, busy, nodes)) continue;
        best = node;
        bestScore = score;
      }
      if (best) visitLineage(best);
      return best && { kernelId: best.kernelId, score: bestScore };
    },
    exhaust(kernelId) {
      const node = nodes.get(kernelId);
      if (node) node.exhausted = true;
    },
    remove(kernelId) {
      const node = nodes.get(kernelId);
      if (!node) return;
      node.exhausted = true;
      node.reward = Number.NEGATIVE_INFINITY;
      const place = ranked.indexOf(node);
      if (place >= 0) ranked.splice(place, 1);
      const parent = node.parentId === null ? undefined : nodes.get(node.parentId);
      if (parent) parent.bestChildReward = bestReward(nodes.values(), parent.kernelId);
    },
    get size() {
      return ranked.length;
    },
  };
}

/** Best reward of a parent's children that stand; undefined without any. */
function bestReward(nodes: Iterable<TreeNode>, parentId: string): number | undefined {
  let best: number | undefined;
  for (const { parentId: own, reward } of nodes) {
    if (own === parentId && reward > (best ?? Number.NEGATIVE_INFINITY)) best = reward;
  }
  return best;
}

function insertByReward(ranked: TreeNode[], node: TreeNode): void {
  let low = 0;
  let high = ranked.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ranksBefore(ranked[middle] as TreeNode, node)) low = middle + 1;
    else high = middle;
  }
  ranked.splice(low, 0, node);
}

function ranksBefore(a: TreeNode, b: TreeNode): boolean {
  return a.reward > b.reward || (a.reward === b.reward && a.kernelId < b.kernelId);
}

function dropWorst(ranked: TreeNode[], capacity: number): void {
  if (ranked.length <= capacity) return;
  const last = ranked.pop() as TreeNode;
  if (last.parentId !== null) return;
  ranked.pop();
  ranked.push(last);
}

/** Spread of the rewards other than the root's; 1 before there are two, so that exploration has a scale. */
function rewardSpread(ranked: readonly TreeNode[]): number {
  const first = ranked.find(isNotRoot);
  const last = ranked.findLast(isNotRoot);
  if (!first || !last) return 1;
  return first.reward - last.reward || 1;
}

function isNotRoot({ parentId }: TreeNode): boolean {
  return parentId !== null;
}

function isRelated(node: TreeNode, busy: ReadonlySet<string>, nodes: ReadonlyMap<string, TreeNode>): boolean {
  if (busy.size === 0) return false;
  if (hasAncestorIn(node, busy, nodes)) return true;
  for (const id of busy) {
    const other = nodes.get(id);
    if (other && hasAncestorIn(other, new Set([node.kernelId]), nodes)) return true;
  }
  return false;
}

/** Whether the node itself or one of its ancestors is in the set; the root, everyone's ancestor, blocks only itself. */
function hasAncestorIn(node: TreeNode, set: ReadonlySet<string>, nodes: ReadonlyMap<string, TreeNode>): boolean {
  for (let at: TreeNode | undefined = node; at; at = at.parentId === null ? undefined : nodes.get(at.parentId)) {
    if (set.has(at.kernelId) && (at === node || at.parentId !== null)) return true;
  }
  return false;
}
