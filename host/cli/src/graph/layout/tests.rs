//! What must hold of every picture: nothing overlaps, all goes forward, the same graph gives the same picture.

use super::*;
use proptest::prelude::*;

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
    let apart =
        |a: f64, a_size: f64, b: f64, b_size: f64| a + a_size <= b + 1e-6 || b + b_size <= a + 1e-6;
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
            (first.x - from.at.x - from.size.width).abs() < 1e-6 && (last.x - to.at.x).abs() < 1e-6
        );
        let on_side = |y: f64, place: &Place| y > place.at.y && y < place.at.y + place.size.height;
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
fn graphs_of_a_thousand_boxes_have_a_bounded_number_of_bends() {
    let chain: Vec<_> = (1..1000).map(|to| (to - 1, to)).collect();
    // Every box reads the first, and the last reads every box: each line would have a thousand bends.
    let fan: Vec<_> = (1..999).flat_map(|at| [(0, at), (at, 999)]).collect();
    let long: Vec<_> = fan.iter().copied().chain(chain).collect();
    let picture = of(1000, &long);
    let ranks = rank::ranks(
        1000,
        long.iter().copied().map(link).collect::<Vec<_>>().iter(),
    );
    let part: Vec<usize> = (0..1000).collect();
    let links: Vec<Link> = long.into_iter().map(link).collect();
    let grid = Grid::new(&part, &[BOX; 1000], &links, &ranks);
    let bends = grid
        .elements
        .iter()
        .filter(|element| element.kind == Kind::Bend)
        .count();
    assert!(bends > 0 && bends <= grid::BENDS_MAX, "{bends}");
    assert!(grid.segments.iter().any(|segment| segment.leaps));
    for (a, b) in picture.boxes.iter().zip(picture.boxes.iter().skip(1)) {
        assert!(!overlap(a, b));
    }
}
