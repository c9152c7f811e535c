//! The grid: layers of boxes, labels and bends, joined by segments that each go from one layer to the next.
//!
//! Boxes are in the even layers. The label of a link is in the layer before the box that it leads to. Links from the same
//! box share their bends, so a box that all others read has one trunk, not a bundle.

use std::collections::HashMap;

use super::{Link, Size};

/// What an element is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A box.
    Node(usize),
    /// Where a long link passes through a layer.
    Bend,
    /// The label of a link.
    Label(usize),
}

/// Something in a layer, with a line through it.
#[derive(Clone, Debug)]
pub(super) struct Element {
    pub(super) kind: Kind,
    pub(super) layer: usize,
    pub(super) width: f64,
    /// How far it reaches above the line, and below.
    pub(super) above: f64,
    pub(super) below: f64,
    /// Where the line is.
    pub(super) y: f64,
}

/// A piece of one or more links.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) from: usize,
    pub(super) to: usize,
    /// Where it begins and ends, from the lines of the elements: links do not all meet in one point of a box.
    pub(super) from_offset: f64,
    pub(super) to_offset: f64,
    /// Whether it leaps over layers, and so has no say in the order and the places.
    pub(super) leaps: bool,
}

/// A connected part of the graph.
pub(super) struct Grid {
    pub(super) elements: Vec<Element>,
    pub(super) segments: Vec<Segment>,
    /// The elements of each layer, from the top.
    pub(super) layers: Vec<Vec<usize>>,
    /// The segments of each link.
    pub(super) chains: Vec<(usize, Vec<usize>)>,
    trunks: HashMap<(usize, usize), usize>,
    joined: HashMap<(usize, usize), usize>,
}

/// So many bends are made; links that would need more lie behind the boxes. No picture that a person can take in comes
/// near.
pub(super) const BENDS_MAX: usize = 20_000;

/// The room that a line has for itself.
const LINE_HALF: f64 = 3.0;

impl Grid {
    /// The grid of the boxes of one part.
    pub(super) fn new(part: &[usize], boxes: &[Size], links: &[Link], ranks: &[usize]) -> Self {
        let depth = part.iter().map(|&node| ranks[node]).max().unwrap_or(0);
        let mut grid = Self {
            elements: Vec::new(),
            segments: Vec::new(),
            layers: vec![Vec::new(); 2 * depth + 1],
            chains: Vec::new(),
            trunks: HashMap::new(),
            joined: HashMap::new(),
        };
        let mut element_of = HashMap::with_capacity(part.len());
        for &node in part {
            let half = boxes[node].height / 2.0;
            let element = grid.element(
                Kind::Node(node),
                2 * ranks[node],
                boxes[node].width,
                (half, half),
            );
            element_of.insert(node, element);
        }
        let mut inside: Vec<(usize, usize, usize)> = (0..links.len())
            .filter_map(|link| {
                let (from, to) = (links[link].from, links[link].to);
                (from < to).then_some((link, *element_of.get(&from)?, *element_of.get(&to)?))
            })
            .collect();
        // Short links first: they come to their bends before the bends run out.
        inside.sort_by_key(|&(link, ..)| ranks[links[link].to] - ranks[links[link].from]);
        for (link, from, to) in inside {
            let chain = grid.chain(link, links[link].label, from, to);
            grid.chains.push((link, chain));
        }
        grid
    }

    fn element(
        &mut self,
        kind: Kind,
        layer: usize,
        width: f64,
        (above, below): (f64, f64),
    ) -> usize {
        let index = self.elements.len();
        self.elements.push(Element {
            kind,
            layer,
            width,
            above,
            below,
            y: 0.0,
        });
        self.layers[layer].push(index);
        index
    }

    /// The segments of a link: along the trunk of its first box, through its label, to its last box.
    fn chain(&mut self, link: usize, label: Option<Size>, from: usize, to: usize) -> Vec<usize> {
        let (first, last) = (self.elements[from].layer, self.elements[to].layer);
        let trunk_end = if label.is_some() { last - 1 } else { last };
        let bends = first + 1..trunk_end;
        let missing = bends
            .clone()
            .filter(|layer| !self.trunks.contains_key(&(from, *layer)))
            .count();
        let mut chain = Vec::new();
        let mut at = from;
        if missing + self.trunks.len() <= BENDS_MAX {
            for layer in bends {
                let bend = match self.trunks.get(&(from, layer)) {
                    Some(&bend) => bend,
                    None => self.element(Kind::Bend, layer, 0.0, (LINE_HALF, LINE_HALF)),
                };
                self.trunks.insert((from, layer), bend);
                chain.push(self.segment(at, bend));
                at = bend;
            }
        }
        if let Some(size) = label {
            let room = (size.height + LINE_HALF, LINE_HALF);
            let label = self.element(Kind::Label(link), last - 1, size.width, room);
            chain.push(self.segment(at, label));
            at = label;
        }
        chain.push(self.segment(at, to));
        chain
    }

    /// The segment between two elements: one, however many links share it.
    fn segment(&mut self, from: usize, to: usize) -> usize {
        *self.joined.entry((from, to)).or_insert_with(|| {
            self.segments.push(Segment {
                from,
                to,
                from_offset: 0.0,
                to_offset: 0.0,
                leaps: self.elements[from].layer + 1 != self.elements[to].layer,
            });
            self.segments.len() - 1
        })
    }

    /// For each element, the segments that lead to it and those that leave it. Leaps are left out.
    pub(super) fn neighbours(&self) -> (Vec<Vec<usize>>, Vec<Vec<usize>>) {
        let mut before = vec![Vec::new(); self.elements.len()];
        let mut after = vec![Vec::new(); self.elements.len()];
        for (index, segment) in self
            .segments
            .iter()
            .enumerate()
            .filter(|(_, segment)| !segment.leaps)
        {
            before[segment.to].push(index);
            after[segment.from].push(index);
        }
        (before, after)
    }

    /// The position of each element in its layer.
    pub(super) fn positions(&self) -> Vec<usize> {
        let mut positions = vec![0; self.elements.len()];
        for layer in &self.layers {
            for (position, &element) in layer.iter().enumerate() {
                positions[element] = position;
            }
        }
        positions
    }

    /// Moves all of it so that it begins at `top`; gives where it ends.
    pub(super) fn move_to(&mut self, top: f64) -> f64 {
        let above = |element: &Element| element.y - element.above;
        let now = self
            .elements
            .iter()
            .map(above)
            .fold(f64::INFINITY, f64::min);
        for element in &mut self.elements {
            element.y += top - now;
        }
        let below = |element: &Element| element.y + element.below;
        self.elements.iter().map(below).fold(top, f64::max)
    }
}
