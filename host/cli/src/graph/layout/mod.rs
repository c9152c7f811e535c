//! Where the boxes and lines of a picture go: layers from left to right, after Sugiyama, Tagawa and Toda (1981).
//!
//! ```text
//! links ──> ranks: longest paths     ──> grid: bends and labels fill the layers between
//!       ──> order: few crossings     ──> place: heights, as level as the order allows     ──> boxes and routes
//! ```
//!
//! Every second layer is for labels, so that no label lies on a box or on another. Lines are level within a layer and turn
//! between two, so that none runs through a box; only in graphs beyond all reading, some do. The same graph always gives
//! the same picture.

mod grid;
mod order;
mod place;
mod rank;
#[cfg(test)]
mod tests;

use grid::{Grid, Kind};

/// How large something is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Size {
    pub(crate) width: f64,
    pub(crate) height: f64,
}

/// A place in the picture; y grows downward.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Point {
    pub(crate) x: f64,
    pub(crate) y: f64,
}

/// A box in the picture, from its upper left corner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Place {
    pub(crate) at: Point,
    pub(crate) size: Size,
}

/// A line from one box to another, which stands after it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// The label that is written above the line.
    pub(crate) label: Option<Size>,
}

/// A line as it is drawn: level between points 2n-1 and 2n, turning between 2n and 2n+1, both counted from 0.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Route {
    pub(crate) points: Vec<Point>,
    /// The lower left corner of its label, on the line.
    pub(crate) label: Option<Point>,
}

/// Where everything is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Layout {
    pub(crate) boxes: Vec<Place>,
    pub(crate) routes: Vec<Route>,
    pub(crate) size: Size,
}

/// Between parts of the graph that are not connected.
const PART_GAP: f64 = 36.0;

/// The room in which lines turn between two layers: the steeper they are, the more.
const TURN_MIN: f64 = 18.0;
const TURN_MAX: f64 = 90.0;
const TURN_PER_HEIGHT: f64 = 0.16;

/// Lays out boxes of these sizes. A box stands before those that it has links to; a link that says otherwise is not drawn.
pub(crate) fn layout(boxes: &[Size], links: &[Link]) -> Layout {
    let forward = |link: &&Link| link.from < link.to && link.to < boxes.len();
    debug_assert!(
        links.iter().all(|link| forward(&link)),
        "what reads stands after what it reads"
    );
    let ranks = rank::ranks(boxes.len(), links.iter().filter(forward));
    let mut grids: Vec<Grid> = Vec::new();
    let mut top = 0.0;
    for part in rank::parts(boxes.len(), links.iter().filter(forward)) {
        let mut grid = Grid::new(&part, boxes, links, &ranks);
        order::order(&mut grid);
        place::place(&mut grid);
        top = grid.move_to(top) + PART_GAP;
        grids.push(grid);
    }
    let columns = columns(&grids);
    let mut layout = Layout {
        boxes: vec![
            Place {
                at: Point { x: 0.0, y: 0.0 },
                size: Size {
                    width: 0.0,
                    height: 0.0
                }
            };
            boxes.len()
        ],
        routes: vec![
            Route {
                points: Vec::new(),
                label: None
            };
            links.len()
        ],
        size: Size {
            width: columns.last().map_or(0.0, |column| column.1),
            height: (top - PART_GAP).max(0.0),
        },
    };
    for grid in &grids {
        layout.draw(grid, &columns);
    }
    layout
}

impl Layout {
    fn draw(&mut self, grid: &Grid, columns: &[(f64, f64)]) {
        for element in &grid.elements {
            let (left, right) = columns[element.layer];
            match element.kind {
                Kind::Node(node) => {
                    self.boxes[node] = Place {
                        at: Point {
                            x: left,
                            y: element.y - element.above,
                        },
                        size: Size {
                            width: right - left,
                            height: element.above + element.below,
                        },
                    };
                }
                Kind::Label(link) => {
                    self.routes[link].label = Some(Point {
                        x: left,
                        y: element.y,
                    });
                }
                Kind::Bend => {}
            }
        }
        for (link, chain) in &grid.chains {
            let ends = chain.iter().map(|&segment| &grid.segments[segment]);
            self.routes[*link].points = ends
                .flat_map(|segment| {
                    let (from, to) = (&grid.elements[segment.from], &grid.elements[segment.to]);
                    [
                        Point {
                            x: columns[from.layer].1,
                            y: from.y + segment.from_offset,
                        },
                        Point {
                            x: columns[to.layer].0,
                            y: to.y + segment.to_offset,
                        },
                    ]
                })
                .collect();
        }
    }
}

/// Where every layer begins and ends.
fn columns(grids: &[Grid]) -> Vec<(f64, f64)> {
    let layers = grids
        .iter()
        .map(|grid| grid.layers.len())
        .max()
        .unwrap_or(0);
    let mut widths = vec![0.0_f64; layers];
    let mut turns = vec![TURN_MIN; layers];
    for grid in grids {
        for element in &grid.elements {
            widths[element.layer] = widths[element.layer].max(element.width);
        }
        for segment in &grid.segments {
            let (from, to) = (&grid.elements[segment.from], &grid.elements[segment.to]);
            let height = (to.y + segment.to_offset - from.y - segment.from_offset).abs();
            let turn = (height * TURN_PER_HEIGHT).min(TURN_MAX);
            turns[from.layer] = turns[from.layer].max(turn);
        }
    }
    let mut left = 0.0;
    let places = widths.iter().zip(turns).map(|(width, turn)| {
        let place = (left, left + width);
        left += width + turn;
        place
    });
    places.collect()
}
