//! The heights: every element as level with its neighbours as the order and the room between elements allow.
//!
//! For one layer with the others fixed, the best heights are an isotonic regression; the algorithm that pools adjacent
//! violators finds them in one pass. Sweeps to and fro bring the layers together: first with least squares, which moves
//! everything near its neighbours, then with least distances, which makes most lines level and bends the others once.

use super::grid::{Element, Grid, Kind};

/// So many sweeps look back and forth in turn, so many at both sides at once, and so many make lines level.
const SWEEPS: usize = 6;
const SWEEPS_BOTH: usize = 6;
const SWEEPS_LEVEL: usize = 6;

/// Between two boxes, and between a line or label and anything.
const BOX_GAP: f64 = 20.0;
const LINE_GAP: f64 = 5.0;

/// The most room between two links where they meet a box.
const PORT_GAP_MAX: f64 = 26.0;

/// A box's corners are kept free of links.
const CORNER: f64 = 10.0;

/// How much a segment wants to be level: long lines more than short ones.
const WEIGHT_LONG: f64 = 8.0;
const WEIGHT_SHORT: f64 = 2.0;
/// A label would rather be level with the box that it belongs to.
const WEIGHT_LABEL: f64 = 3.0;
/// What has no neighbours wants to stay where it is, a little.
const WEIGHT_ALONE: f64 = 0.01;

/// Gives every element its height.
pub(super) fn place(grid: &mut Grid) {
    ports(grid);
    for layer in &grid.layers {
        let mut y = 0.0;
        for (position, &element) in layer.iter().enumerate() {
            if position > 0 {
                y += room(&grid.elements[layer[position - 1]], &grid.elements[element]);
            }
            grid.elements[element].y = y;
        }
        for &element in layer {
            grid.elements[element].y -= y / 2.0;
        }
    }
    let (before, after) = grid.neighbours();
    let count = grid.layers.len();
    for sweep in 0..SWEEPS + SWEEPS_BOTH + SWEEPS_LEVEL {
        let forward = sweep % 2 == 0;
        let both = sweep >= SWEEPS;
        let best = if sweep < SWEEPS + SWEEPS_BOTH {
            mean
        } else {
            median
        };
        for step in 0..count {
            let layer = if forward { step } else { count - 1 - step };
            let view = View {
                before: (forward || both).then_some(&*before),
                after: (!forward || both).then_some(&*after),
            };
            settle(grid, layer, &view, best);
        }
    }
}

/// Spreads the ends of segments over the sides of the boxes, in the order of where they come from and go to.
fn ports(grid: &mut Grid) {
    let positions = grid.positions();
    let mut before = vec![Vec::new(); grid.elements.len()];
    let mut after = vec![Vec::new(); grid.elements.len()];
    for (index, segment) in grid.segments.iter().enumerate() {
        before[segment.to].push(index);
        after[segment.from].push(index);
    }
    for element in 0..grid.elements.len() {
        if !matches!(grid.elements[element].kind, Kind::Node(_)) {
            continue;
        }
        let height = grid.elements[element].above + grid.elements[element].below;
        before[element].sort_by_key(|&segment| positions[grid.segments[segment].from]);
        after[element].sort_by_key(|&segment| positions[grid.segments[segment].to]);
        for (port, &segment) in before[element].iter().enumerate() {
            grid.segments[segment].to_offset = offset(port, before[element].len(), height);
        }
        for (port, &segment) in after[element].iter().enumerate() {
            grid.segments[segment].from_offset = offset(port, after[element].len(), height);
        }
    }
}

/// Where one of `count` ports is on the side of a box, from its middle.
fn offset(port: usize, count: usize, height: f64) -> f64 {
    let gaps = count.saturating_sub(1) as f64;
    // A box that is all corners keeps its ports inside all the same.
    let side = (height - 2.0 * CORNER).max(height * 0.5);
    let gap = if gaps > 0.0 {
        (side / gaps).min(PORT_GAP_MAX)
    } else {
        0.0
    };
    (port as f64 - gaps / 2.0) * gap
}

/// How far apart the lines of two neighbours are at least.
fn room(upper: &Element, lower: &Element) -> f64 {
    let is_box = |element: &Element| matches!(element.kind, Kind::Node(_));
    let gap = if is_box(upper) && is_box(lower) {
        BOX_GAP
    } else {
        LINE_GAP
    };
    upper.below + gap + lower.above
}

/// The segments at each element, before and after it; empty where a sweep does not look.
struct View<'a> {
    before: Option<&'a [Vec<usize>]>,
    after: Option<&'a [Vec<usize>]>,
}

impl View<'_> {
    /// The heights at which an element would be level with its neighbours, and how much each of them counts.
    fn wanted(&self, grid: &Grid, element: usize) -> Vec<(f64, f64)> {
        let of = |side: Option<&[Vec<usize>]>, wanted: fn(&Grid, usize) -> f64| {
            let segments = side.map_or(&[][..], |side| &side[element]);
            let wanted = segments
                .iter()
                .map(|&segment| (wanted(grid, segment), weight_of(grid, segment)));
            wanted.collect::<Vec<_>>()
        };
        let mut all = of(self.before, |grid, segment| {
            let segment = &grid.segments[segment];
            grid.elements[segment.from].y + segment.from_offset - segment.to_offset
        });
        all.extend(of(self.after, |grid, segment| {
            let segment = &grid.segments[segment];
            grid.elements[segment.to].y + segment.to_offset - segment.from_offset
        }));
        if all.is_empty() {
            all.push((grid.elements[element].y, WEIGHT_ALONE));
        }
        all
    }
}

/// Gives the elements of one layer the best heights for what is in view.
fn settle(grid: &mut Grid, layer: usize, view: &View<'_>, best: Best) {
    let mut blocks: Vec<Block> = Vec::new();
    // Without the room between them, the elements of a layer only have to be in order.
    let mut shifts = Vec::with_capacity(grid.layers[layer].len());
    let mut shift = 0.0;
    let mut upper: Option<usize> = None;
    for &element in &grid.layers[layer] {
        shift += upper.map_or(0.0, |upper| {
            room(&grid.elements[upper], &grid.elements[element])
        });
        upper = Some(element);
        shifts.push(shift);
        let wanted = view.wanted(grid, element);
        let pulls: Vec<Pull> = wanted
            .into_iter()
            .map(|(y, weight)| (y - shift, weight))
            .collect();
        let now = grid.elements[element].y - shift;
        push(&mut blocks, Block::new(pulls, now, best), best);
    }
    let heights = blocks
        .iter()
        .flat_map(|block| std::iter::repeat_n(block.y, block.count));
    for ((&element, height), shift) in grid.layers[layer].iter().zip(heights).zip(shifts) {
        grid.elements[element].y = height + shift;
    }
}

fn weight_of(grid: &Grid, segment: usize) -> f64 {
    let segment = &grid.segments[segment];
    match (
        grid.elements[segment.from].kind,
        grid.elements[segment.to].kind,
    ) {
        (Kind::Label(_), _) => WEIGHT_LABEL,
        (Kind::Node(_), _) | (_, Kind::Node(_)) => WEIGHT_SHORT,
        (Kind::Bend, _) => WEIGHT_LONG,
    }
}

/// A height that something wants, and how much that counts.
type Pull = (f64, f64);

/// The best height for what is pulled so and is at the height given.
type Best = fn(&[Pull], f64) -> f64;

/// Neighbours that touch each other and move as one.
struct Block {
    /// By height.
    pulls: Vec<Pull>,
    count: usize,
    /// Where they are, in the mean, and where they are best.
    now: f64,
    y: f64,
}

impl Block {
    fn new(mut pulls: Vec<Pull>, now: f64, best: Best) -> Self {
        pulls.sort_by(|a, b| a.0.total_cmp(&b.0));
        Self {
            y: best(&pulls, now),
            pulls,
            count: 1,
            now,
        }
    }

    /// Takes in another block.
    fn join(&mut self, mut other: Block, best: Best) {
        let count = self.count + other.count;
        let now = self.now * self.count as f64 + other.now * other.count as f64;
        (self.count, self.now) = (count, now / count as f64);
        // The fewer go among the more.
        if other.pulls.len() > self.pulls.len() {
            std::mem::swap(&mut self.pulls, &mut other.pulls);
        }
        for pull in other.pulls {
            let at = self.pulls.partition_point(|other| other.0 < pull.0);
            self.pulls.insert(at, pull);
        }
        self.y = best(&self.pulls, self.now);
    }
}

/// Adds a block at the bottom; blocks that would overlap become one.
fn push(blocks: &mut Vec<Block>, mut block: Block, best: Best) {
    while let Some(upper) = blocks.pop_if(|upper| upper.y > block.y) {
        block.join(upper, best);
    }
    blocks.push(block);
}

/// The least sum of squares.
fn mean(pulls: &[Pull], _now: f64) -> f64 {
    let sum: f64 = pulls.iter().map(|(y, weight)| y * weight).sum();
    sum / pulls.iter().map(|(_, weight)| weight).sum::<f64>()
}

/// The least sum of distances. Where several heights are equally good, the one next to where it is.
fn median(pulls: &[Pull], now: f64) -> f64 {
    let half = pulls.iter().map(|(_, weight)| weight).sum::<f64>() / 2.0;
    let mut below = 0.0;
    for (index, &(y, weight)) in pulls.iter().enumerate() {
        below += weight;
        if below > half + 1e-9 {
            return y;
        }
        if below > half - 1e-9 {
            let next = pulls.get(index + 1).map_or(y, |next| next.0);
            return now.clamp(y, next);
        }
    }
    now
}
