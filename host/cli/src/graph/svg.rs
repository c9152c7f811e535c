//! The graph as a picture in SVG: no font, script or file is needed to show it.
//!
//! The colours are those of a light page, and of a dark one where the viewer asks for that.

use std::fmt::{self, Write as _};

use super::escape::xml;
use super::layout::{Layout, Link, Place, Point, Route, Size, layout};
use super::text::{fitted, width};
use super::{Graph, Node, Status};

const MARGIN: f64 = 24.0;
const HEAD: f64 = 44.0;
const LEGEND: f64 = 34.0;

const NAME_SIZE: f64 = 14.0;
const LINE_SIZE: f64 = 11.0;
const LABEL_SIZE: f64 = 10.5;
const NAME_HEIGHT: f64 = 19.0;
const LINE_HEIGHT: f64 = 15.0;
const LABEL_HEIGHT: f64 = 13.0;

const BOX_WIDTH_MIN: f64 = 96.0;
const TEXT_WIDTH_MAX: f64 = 230.0;
const LABEL_WIDTH_MAX: f64 = 150.0;
/// Left and right of the text in a box; the coloured bar is within the left one.
const PAD: f64 = 14.0;
/// Above the first line of a box and below the last.
const PAD_TOP: f64 = 9.0;
/// A box is high enough for so much room between the lines that meet it.
const PORT_HEIGHT: f64 = 20.0;

/// So many lines of a label are shown.
const LABEL_LINES_MAX: usize = 3;

const STYLE: &str = "\
svg{background:#fff}.page{fill:#fff}\
text{font-family:Inter,'Helvetica Neue',Helvetica,Arial,'Liberation Sans',system-ui,sans-serif;font-size:11px;fill:#59636e}\
.title{font-size:15px;font-weight:600;fill:#1f2328}.name{font-size:14px;font-weight:600;fill:#1f2328}\
.label{font-size:10.5px}.outcome{font-weight:600}\
.box{stroke-width:1.2}.line{fill:none;stroke:#8c959f;stroke-width:1.3}.dashed{stroke-dasharray:4 4}.tip{fill:#8c959f}\
.none .box{fill:#f6f8fa;stroke:#8c959f}.none .bar{fill:#8c959f}\
.reused .box,.unchanged .box{fill:#f0fdf3;stroke:#1a7f37}.reused .bar,.unchanged .bar{fill:#1a7f37}\
.reused .outcome,.unchanged .outcome{fill:#1a7f37}\
.worked .box{fill:#f0f8ff;stroke:#0969da}.worked .bar{fill:#0969da}.worked .outcome{fill:#0969da}\
.failed .box{fill:#fff5f5;stroke:#cf222e}.failed .bar{fill:#cf222e}.failed .outcome{fill:#cf222e}\
@media (prefers-color-scheme:dark){svg{background:#0d1117}.page{fill:#0d1117}text{fill:#9198a1}\
.title,.name{fill:#f0f6fc}.line{stroke:#656c76}.tip{fill:#656c76}\
.none .box{fill:#151b23;stroke:#656c76}.none .bar{fill:#656c76}\
.reused .box,.unchanged .box{fill:#0f1f17;stroke:#3fb950}.reused .bar,.unchanged .bar{fill:#3fb950}\
.reused .outcome,.unchanged .outcome{fill:#3fb950}\
.worked .box{fill:#101c2e;stroke:#4493f8}.worked .bar{fill:#4493f8}.worked .outcome{fill:#4493f8}\
.failed .box{fill:#25171c;stroke:#f85149}.failed .bar{fill:#f85149}.failed .outcome{fill:#f85149}}";

/// A flow as an SVG document.
pub(crate) fn svg(graph: &Graph) -> String {
    let boxes: Vec<Drawn> = (0..graph.nodes.len())
        .map(|node| Drawn::of(graph, node))
        .collect();
    let labels: Vec<Vec<String>> = (graph.edges.iter())
        .map(|edge| wrapped(&edge.labels(&graph.nodes[edge.from])))
        .collect();
    let links: Vec<Link> = graph
        .edges
        .iter()
        .zip(&labels)
        .map(|(edge, lines)| Link {
            from: edge.from,
            to: edge.to,
            label: label_size(lines),
        })
        .collect();
    let sizes: Vec<Size> = boxes.iter().map(|drawn| drawn.size).collect();
    let picture = layout(&sizes, &links);
    let mut svg = Svg::new(graph, picture.size);
    svg.routes(&picture, graph);
    for (route, lines) in picture.routes.iter().zip(&labels) {
        svg.label(route, lines);
    }
    for ((drawn, place), node) in boxes.iter().zip(&picture.boxes).zip(&graph.nodes) {
        svg.node(node, drawn, place);
    }
    svg.finish(graph, picture.size)
}

/// A box with its text.
struct Drawn {
    /// The name, what does the work, the facts.
    lines: Vec<String>,
    outcome: Option<String>,
    size: Size,
}

impl Drawn {
    fn of(graph: &Graph, index: usize) -> Self {
        let node = &graph.nodes[index];
        let outcome = node.outcome();
        let mut lines = node.lines();
        lines.truncate(lines.len() - usize::from(outcome.is_some()));
        let fit = |(at, line): (usize, &String)| {
            let size = if at == 0 { NAME_SIZE } else { LINE_SIZE };
            fitted(line, size, TEXT_WIDTH_MAX)
        };
        let lines: Vec<String> = lines.iter().enumerate().map(fit).collect();
        let outcome = outcome.map(|outcome| fitted(&outcome, LINE_SIZE, TEXT_WIDTH_MAX));
        // Bold text is a little wider.
        let widths = lines
            .iter()
            .skip(1)
            .chain(&outcome)
            .map(|line| width(line, LINE_SIZE) * 1.04);
        let widest = widths.fold(width(&lines[0], NAME_SIZE) * 1.06, f64::max);
        let text =
            NAME_HEIGHT + LINE_HEIGHT * (lines.len() - 1 + usize::from(outcome.is_some())) as f64;
        let ports = |end: fn(&super::Edge) -> usize| {
            graph.edges.iter().filter(|edge| end(edge) == index).count() as f64 * PORT_HEIGHT
        };
        let ports = ports(|edge| edge.from).max(ports(|edge| edge.to));
        let size = Size {
            width: (widest + 2.0 * PAD).max(BOX_WIDTH_MIN),
            height: (text + 2.0 * PAD_TOP).max(ports + 2.0 * PAD_TOP),
        };
        Self {
            lines,
            outcome,
            size,
        }
    }
}

/// The labels of a line, a few to each line of text.
fn wrapped(labels: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for (index, label) in labels.iter().enumerate() {
        let label = fitted(label, LABEL_SIZE, LABEL_WIDTH_MAX);
        let longer = lines.last().map(|line| format!("{line}, {label}"));
        match longer {
            Some(longer) if width(&longer, LABEL_SIZE) <= LABEL_WIDTH_MAX => {
                lines.pop();
                lines.push(longer);
            }
            _ if lines.len() == LABEL_LINES_MAX => {
                lines.push(format!("… {} more", labels.len() - index));
                break;
            }
            _ => lines.push(label),
        }
    }
    lines
}

fn label_size(lines: &[String]) -> Option<Size> {
    let widest = lines
        .iter()
        .map(|line| width(line, LABEL_SIZE))
        .reduce(f64::max)?;
    Some(Size {
        width: widest,
        height: lines.len() as f64 * LABEL_HEIGHT + 2.0,
    })
}

/// A document as it grows.
struct Svg(String);

impl Svg {
    fn new(graph: &Graph, size: Size) -> Self {
        let title = graph.title();
        // The title counts too: a flow of two boxes may have a long name.
        let inner = size.width.max(width(&title, 15.0).min(560.0));
        let legend = if graph.run.is_some() { LEGEND } else { 0.0 };
        let (width, height) = (inner + 2.0 * MARGIN, size.height + HEAD + legend + MARGIN);
        let (width, height) = (Short(width.ceil()), Short(height.ceil()));
        let mut svg = Self(String::new());
        svg.add(format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" role=\"img\">\n<title>{}</title>\n<style>{STYLE}</style>\n\
             <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"6.5\" markerHeight=\"6.5\" \
             orient=\"auto\"><path class=\"tip\" d=\"M0 0.5 8 4 0 7.5Z\"/></marker></defs>\n\
             <rect class=\"page\" width=\"{width}\" height=\"{height}\"/>\n",
            xml(&title)
        ));
        let name = fitted(&graph.flow, 15.0, inner * 0.6);
        let note = graph.title();
        let note = note
            .strip_prefix(&graph.flow)
            .unwrap_or_default()
            .trim_start_matches(" · ");
        svg.add(format_args!(
            "<text x=\"{MARGIN}\" y=\"28\"><tspan class=\"title\">{}</tspan><tspan dx=\"10\">{}</tspan></text>\n",
            xml(&name),
            xml(note)
        ));
        svg.add(format_args!(
            "<g transform=\"translate({MARGIN} {HEAD})\">\n"
        ));
        svg
    }

    fn add(&mut self, text: fmt::Arguments<'_>) {
        // A string takes everything.
        let _ = self.0.write_fmt(text);
    }

    /// The lines; one that several links share is drawn once.
    fn routes(&mut self, picture: &Layout, graph: &Graph) {
        for (route, edge) in picture.routes.iter().zip(&graph.edges) {
            let dashed = if edge.takes.is_empty() { " dashed" } else { "" };
            self.add(format_args!(
                "<path class=\"line{dashed}\" marker-end=\"url(#tip)\" d=\"{}\"/>\n",
                Curve(&route.points)
            ));
        }
    }

    fn label(&mut self, route: &Route, lines: &[String]) {
        let Some(corner) = route.label else {
            return;
        };
        for (above, line) in lines.iter().rev().enumerate() {
            let (x, y) = (
                Short(corner.x),
                Short(corner.y - 4.0 - LABEL_HEIGHT * above as f64),
            );
            self.add(format_args!(
                "<text class=\"label\" x=\"{x}\" y=\"{y}\">{}</text>\n",
                xml(line)
            ));
        }
    }

    fn node(&mut self, node: &Node, drawn: &Drawn, place: &Place) {
        let (x, y) = (Short(place.at.x), Short(place.at.y));
        let (width, height) = (Short(place.size.width), Short(place.size.height));
        let tip: Vec<String> = [node.name.clone(), node.subtitle()]
            .into_iter()
            .chain(node.facts())
            .chain(node.outcome())
            .map(|line| xml(&line))
            .collect();
        self.add(format_args!(
            "<g class=\"{}\"><title>{}</title><rect class=\"box\" x=\"{x}\" y=\"{y}\" width=\"{width}\" \
             height=\"{height}\" rx=\"6\"/><rect class=\"bar\" x=\"{x}\" y=\"{}\" width=\"4\" height=\"{}\" rx=\"1.5\"/>\n",
            node.status.name(),
            tip.join("\n"),
            Short(place.at.y + 6.0),
            Short(place.size.height - 12.0),
        ));
        let rows = drawn.lines.len() - 1 + usize::from(drawn.outcome.is_some());
        let text = NAME_HEIGHT + LINE_HEIGHT * rows as f64;
        let x = Short(place.at.x + PAD);
        let mut y = place.at.y + (place.size.height - text) / 2.0 + 14.0;
        for (row, line) in drawn.lines.iter().chain(&drawn.outcome).enumerate() {
            let class = match row {
                0 => " class=\"name\"",
                _ if row == drawn.lines.len() => " class=\"outcome\"",
                _ => "",
            };
            self.add(format_args!(
                "<text{class} x=\"{x}\" y=\"{}\">{}</text>\n",
                Short(y),
                xml(line)
            ));
            y += if row == 0 {
                NAME_HEIGHT - 2.0
            } else {
                LINE_HEIGHT
            };
        }
        self.0.push_str("</g>\n");
    }

    fn finish(mut self, graph: &Graph, size: Size) -> String {
        if graph.run.is_some() {
            let y = size.height + 26.0;
            let mut x = 0.0;
            for (status, meaning) in [
                (Status::Reused, "reused or unchanged"),
                (Status::Worked, "called, changed or written"),
                (Status::Failed, "failed"),
            ] {
                self.add(format_args!(
                    "<g class=\"{}\"><rect class=\"bar\" x=\"{}\" y=\"{}\" width=\"9\" height=\"9\" rx=\"2\"/>\
                     <text x=\"{}\" y=\"{}\">{meaning}</text></g>\n",
                    status.name(),
                    Short(x),
                    Short(y - 8.5),
                    Short(x + 14.0),
                    Short(y)
                ));
                x += 14.0 + width(meaning, LINE_SIZE) + 18.0;
            }
        }
        self.0.push_str("</g>\n</svg>\n");
        self.0
    }
}

/// A route as path data: level parts, and curves between them that begin and end level.
struct Curve<'a>(&'a [Point]);

impl fmt::Display for Curve<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, others)) = self.0.split_first() else {
            return Ok(());
        };
        write!(f, "M{} {}", Short(first.x), Short(first.y))?;
        let mut before = first;
        for (index, point) in others.iter().enumerate() {
            // The last part ends a little before the box, for the tip.
            let turns = index % 2 == 0;
            let middle = Short(f64::midpoint(before.x, point.x));
            let (x, y) = (Short(point.x), Short(point.y));
            if turns && (before.y - point.y).abs() > 0.05 {
                write!(f, "C{middle} {} {middle} {y} {x} {y}", Short(before.y))?;
            } else {
                write!(f, "H{x}")?;
            }
            before = point;
        }
        Ok(())
    }
}

/// A number of pixels with one decimal at most: enough for a screen, and the same on every machine.
struct Short(f64);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rounded = (self.0 * 10.0).round() / 10.0;
        // There is no minus zero in a picture.
        write!(f, "{}", if rounded == 0.0 { 0.0 } else { rounded })
    }
}
