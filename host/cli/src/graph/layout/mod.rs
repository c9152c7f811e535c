//! Where the boxes and lines of a picture go: layers from left to right, after Sugiyama, Tagawa and Toda (1981).
//!
//! ```text
//! links ──> ranks: longest paths     ──> grid: bends and labels fill the layers between
//!       ──> order: few crossings     ──> place: heights, as level as the order allows     ──> boxes and routes
//! ```
//!
//! Every second layer is for labels, so that no label lies on a box or on another. Lines are level within a layer and turn
//! between two, so that none runs through a box. The same graph always gives the same picture.

mod grid;
mod order;
mod place;
mod rank;

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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    const BOX: Size = Size {
        width: 120.0,
        height: 50.0,
    };
    const LABEL: Size = Size {
        width: 40.0,
        height: 14.0,
    };

    fn link((from, to): (usize, usize)) -> Link {
        Link {
            from,
            to,
            label: Some(LABEL),
        }
    }

    fn of(boxes: usize, links: &[(usize, usize)]) -> Layout {
        let links: Vec<Link> = links.iter().copied().map(link).collect();
        layout(&vec![BOX; boxes], &links)
    }

    fn overlap(a: &Place, b: &Place) -> bool {
        let apart = |a: f64, a_size: f64, b: f64, b_size: f64| {
            a + a_size <= b + 1e-6 || b + b_size <= a + 1e-6
        };
        !apart(a.at.x, a.size.width, b.at.x, b.size.width)
            && !apart(a.at.y, a.size.height, b.at.y, b.size.height)
    }

    /// What must hold of every picture.
    fn check(layout: &Layout, links: &[Link]) {
        let boxes = &layout.boxes;
        let labels: Vec<Place> = layout
            .routes
            .iter()
            .zip(links)
            .filter_map(|(route, link)| {
                let (corner, size) = (route.label?, link.label?);
                Some(Place {
                    at: Point {
                        x: corner.x,
                        y: corner.y - size.height,
                    },
                    size,
                })
            })
            .collect();
        assert_eq!(
            labels.len(),
            links.iter().filter(|link| link.label.is_some()).count()
        );
        let all: Vec<&Place> = boxes.iter().chain(&labels).collect();
        for (index, a) in all.iter().enumerate() {
            let (right, bottom) = (a.at.x + a.size.width, a.at.y + a.size.height);
            assert!(a.at.x >= 0.0 && a.at.y >= -1e-6, "{a:?}");
            assert!(
                right <= layout.size.width + 1e-6 && bottom <= layout.size.height + 1e-6,
                "{a:?} {:?}",
                layout.size
            );
            for b in &all[index + 1..] {
                assert!(!overlap(a, b), "{a:?} lies on {b:?}");
            }
        }
        for (route, link) in layout.routes.iter().zip(links) {
            let (from, to) = (&boxes[link.from], &boxes[link.to]);
            let (first, last) = (route.points[0], route.points[route.points.len() - 1]);
            assert!(
                (first.x - from.at.x - from.size.width).abs() < 1e-6
                    && (last.x - to.at.x).abs() < 1e-6
            );
            let on_side =
                |y: f64, place: &Place| y > place.at.y && y < place.at.y + place.size.height;
            assert!(
                on_side(first.y, from) && on_side(last.y, to),
                "{route:?} {from:?} {to:?}"
            );
            for pair in route.points.windows(2) {
                assert!(pair[0].x <= pair[1].x + 1e-6, "lines go forward: {route:?}");
            }
            // The level parts keep clear of the boxes between; the turning ones are between layers.
            for level in route.points[1..route.points.len() - 1].chunks(2) {
                assert!((level[0].y - level[1].y).abs() < 1e-6);
                let through = boxes.iter().any(|place| {
                    let y = level[0].y;
                    y > place.at.y
                        && y < place.at.y + place.size.height
                        && level[0].x < place.at.x + place.size.width - 1e-6
                        && level[1].x > place.at.x + 1e-6
                });
                assert!(!through, "a line runs through a box: {route:?}");
            }
        }
    }

    fn graph() -> impl Strategy<Value = (Vec<Size>, Vec<Link>)> {
        (1_usize..24)
            .prop_flat_map(|count| {
                let size = (40.0_f64..200.0, 20.0_f64..120.0)
                    .prop_map(|(width, height)| Size { width, height });
                let link = (
                    0..count,
                    0..count,
                    proptest::option::of((10.0_f64..90.0, 10.0_f64..60.0)),
                );
                (
                    proptest::collection::vec(size, count),
                    proptest::collection::vec(link, 0..48),
                )
            })
            .prop_map(|(boxes, links)| {
                let links = links
                    .into_iter()
                    .filter(|(a, b, _)| a != b)
                    .map(|(a, b, label)| Link {
                        from: a.min(b),
                        to: a.max(b),
                        label: label.map(|(width, height)| Size { width, height }),
                    });
                (boxes, links.collect())
            })
    }

    proptest! {
        #[test]
        fn nothing_overlaps_and_all_goes_forward((boxes, links) in graph()) {
            let picture = layout(&boxes, &links);
            check(&picture, &links);
            prop_assert_eq!(picture, layout(&boxes, &links), "the same graph gives the same picture");
        }
    }

    #[test]
    fn nothing_and_one_box_are_pictures_too() {
        assert_eq!(
            of(0, &[]).size,
            Size {
                width: 0.0,
                height: 0.0
            }
        );
        assert_eq!(of(1, &[]).size, BOX);
    }

    #[test]
    fn a_chain_is_level() {
        let picture = of(4, &[(0, 1), (1, 2), (2, 3)]);
        for route in &picture.routes {
            assert!(
                route
                    .points
                    .iter()
                    .all(|point| (point.y - 27.0).abs() < 30.0)
            );
            let first = route.points[0].y;
            assert!(
                route
                    .points
                    .iter()
                    .all(|point| (point.y - first).abs() < 1e-6),
                "{route:?}"
            );
        }
    }

    #[test]
    fn a_ladder_has_no_crossings() {
        // Two lanes, whose boxes are named in an order that would cross them.
        let picture = of(6, &[(0, 3), (1, 2), (3, 4), (2, 5)]);
        let above = |a: usize, b: usize| picture.boxes[a].at.y < picture.boxes[b].at.y;
        assert_eq!(above(0, 1), above(3, 2));
        assert_eq!(above(0, 1), above(4, 5));
    }

    #[test]
    fn parts_that_are_not_connected_lie_below_each_other() {
        let picture = of(4, &[(0, 2), (1, 3)]);
        let (first, second) = (&picture.boxes[2], &picture.boxes[1]);
        assert!(first.at.y + first.size.height < second.at.y);
    }

    #[test]
    fn graphs_of_a_thousand_boxes_are_quick() {
        let chain: Vec<_> = (1..1000).map(|to| (to - 1, to)).collect();
        // Every box reads the first, and the last reads every box: each line would have a thousand bends.
        let long: Vec<_> = (1..999)
            .flat_map(|at| [(0, at), (at, 999)])
            .chain(chain.clone())
            .collect();
        let wide: Vec<_> = (1..999).flat_map(|at| [(0, at), (at, 999)]).collect();
        let mesh: Vec<_> = (10..1000)
            .flat_map(|to| (1..5).map(move |back| (to - back * 2, to)))
            .collect();
        for (name, links) in [
            ("chain", chain),
            ("long", long),
            ("wide", wide),
            ("mesh", mesh),
        ] {
            let start = std::time::Instant::now();
            let picture = of(1000, &links);
            let time = start.elapsed();
            assert_eq!(picture.boxes.len(), 1000);
            eprintln!("{name}: {time:?}");
            // Far from what it takes, also where it is not optimised.
            assert!(time < Duration::from_secs(60), "{name} took {time:?}");
        }
    }
}
