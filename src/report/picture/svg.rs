//! The picture as SVG: boxes in columns, joined by curves; described for those who do not see it. It names no colours:
//! the page's style does, by class.

use std::fmt::Write as _;

use super::{
    EdgeSort, Node, NodeSort, Picture,
    collapse::collapse,
    layout::{Item, Places, Sizes, layout},
};
use crate::{model::text::count, report::html::escape};

/// More boxes than these cannot be read: they are joined.
const MOST: usize = 200;
const SIZES: Sizes = Sizes { width: 196.0, height: 42.0, across: 64.0, down: 12.0 };
const MARGIN: f64 = 8.0;
/// What fits into a box, in widths of a small letter.
const LETTERS: usize = 23;

/// The picture, and what is drawn of it: what there was too much of is joined. Nothing where there is nothing to draw.
pub fn svg(picture: &Picture) -> (String, Picture) {
    let drawn = collapse(picture, MOST);
    if drawn.nodes.is_empty() {
        return (String::new(), drawn);
    }
    let place = |id: &str| drawn.nodes.iter().position(|node| node.id == id);
    let ends: Vec<(usize, usize)> =
        drawn.edges.iter().filter_map(|edge| Some((place(&edge.from)?, place(&edge.to)?))).collect();
    let items: Vec<Item> = drawn
        .nodes
        .iter()
        .map(|node| Item { column: node.column, fixed: matches!(node.sort, NodeSort::Phase | NodeSort::Step) })
        .collect();
    let places = layout(&items, &ends, SIZES);
    // curves beside the last column have room, too
    let beside = ends.iter().any(|(a, b)| (places.boxes[*a].0 - places.boxes[*b].0).abs() < 1.0);
    let room = if beside { SIZES.across / 2.0 } else { 0.0 };
    let (width, height) = (places.width + room + 2.0 * MARGIN, places.height + 2.0 * MARGIN);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         role=\"img\" aria-labelledby=\"picture-title picture-desc\">\n\
         <title id=\"picture-title\">Dependencies and blast radius</title>\n\
         <desc id=\"picture-desc\">{}</desc>\n\
         <defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" \
         orient=\"auto-start-reverse\"><path d=\"M0 0.5L8 4L0 7.5z\" class=\"head\"/></marker></defs>\n\
         <g transform=\"translate({MARGIN} {MARGIN})\">\n",
        escape(&described(picture, &drawn))
    );
    for ((edge, ends), passes) in drawn.edges.iter().zip(&ends).zip(&places.passes) {
        let why = if edge.why.is_empty() { String::new() } else { format!(" ({})", edge.why) };
        let (from, to) = (&drawn.nodes[ends.0], &drawn.nodes[ends.1]);
        let arrow = if edge.sort == EdgeSort::Has { "" } else { " marker-end=\"url(#arrow)\"" };
        let _ = writeln!(
            out,
            "<path class=\"edge {}\" d=\"{}\"{arrow}><title>{}</title></path>",
            edge.sort.word(),
            curve(&places, *ends, passes),
            escape(&format!("{} {} {}{why}", from.label, edge.sort.word(), to.label))
        );
    }
    for (node, (x, y)) in drawn.nodes.iter().zip(&places.boxes) {
        out.push_str(&boxed(node, *x, *y));
    }
    out.push_str("</g>\n</svg>\n");
    (out, drawn)
}

fn described(picture: &Picture, drawn: &Picture) -> String {
    let of = |sort: NodeSort| picture.nodes.iter().filter(|node| node.sort == sort).count();
    let mut text = format!(
        "{} with {}, which touch {}; {} in all, {}. The same is in the table below.",
        count(of(NodeSort::Phase), "phase"),
        count(of(NodeSort::Step), "step"),
        count(picture.nodes.iter().filter(|node| node.touched).count(), "object"),
        count(of(NodeSort::Object) + of(NodeSort::Thing), "object"),
        count(of(NodeSort::Risk), "risk"),
    );
    if drawn.nodes.len() < picture.nodes.len() {
        let _ = write!(text, " {} are drawn as {} boxes.", picture.nodes.len(), drawn.nodes.len());
    }
    text
}

fn boxed(node: &Node, x: f64, y: f64) -> String {
    let (above, name) = words(node);
    let mut class = match node.sort {
        NodeSort::Phase => "node phase",
        NodeSort::Step => "node step",
        NodeSort::Object | NodeSort::Thing if node.touched => "node touched",
        NodeSort::Object | NodeSort::Thing => "node named",
        NodeSort::Risk => "node risk",
    }
    .to_string();
    if node.at_risk {
        class.push_str(" at-risk");
    }
    if node.exists == Some(false) {
        class.push_str(" absent");
    }
    let mut title = node.label.clone();
    if node.stands_for > 1 {
        let _ = write!(title, " (stands for {})", node.stands_for);
    }
    if node.touched {
        title.push_str(", touched");
    }
    if node.at_risk {
        title.push_str(", named by a risk");
    }
    if node.exists == Some(false) {
        title.push_str(", not in the cluster");
    }
    let (width, height) = (SIZES.width, SIZES.height);
    format!(
        "<g class=\"{class}\" data-node=\"{}\"><title>{}</title>\
         <rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"6\"/>\
         <text class=\"above\" x=\"{}\" y=\"{}\">{}</text><text x=\"{}\" y=\"{}\">{}</text></g>\n",
        escape(&node.id),
        escape(&title),
        x + 10.0,
        y + 15.0,
        escape(&cut(&above, LETTERS + 6)),
        x + 10.0,
        y + 32.0,
        escape(&cut(&name, LETTERS)),
    )
}

/// The small words above, and the name.
fn words(node: &Node) -> (String, String) {
    let many = |words: &str| match node.stands_for {
        0 | 1 => words.to_string(),
        n => format!("{n} × {words}"),
    };
    match node.sort {
        NodeSort::Phase => ("phase".into(), many(&node.label)),
        NodeSort::Step => ("step".into(), many(&node.label)),
        NodeSort::Risk => ("risk".into(), many(&node.label)),
        NodeSort::Thing => ("command or file".into(), many(&node.label)),
        NodeSort::Object => {
            let mut parts: Vec<&str> = node.label.split('/').collect();
            if node.stands_for > 1 {
                let above = parts.get(1).map_or("objects".into(), |namespace| format!("in {namespace}"));
                return (above, many(parts[0]));
            }
            let name = parts.pop().unwrap_or_default();
            (parts.join(" · "), name.to_string())
        }
    }
}

/// As much of a text as fits, an ellipsis at its end where that is not all. Wide letters count twice.
fn cut(text: &str, most: usize) -> String {
    let wide = |c: char| if u32::from(c) >= 0x1100 { 2 } else { 1 };
    if text.chars().map(wide).sum::<usize>() <= most {
        return text.into();
    }
    let mut room = most - 1;
    let kept = text.chars().take_while(|c| {
        let fits = wide(*c) <= room;
        room = room.saturating_sub(wide(*c));
        fits
    });
    format!("{}…", kept.collect::<String>().trim_end())
}

/// From one box to the other, through the gaps between boxes.
fn curve(places: &Places, (from, to): (usize, usize), passes: &[(f64, f64, f64)]) -> String {
    let (a, b) = (places.boxes[from], places.boxes[to]);
    let (ya, yb) = (a.1 + SIZES.height / 2.0, b.1 + SIZES.height / 2.0);
    if (a.0 - b.0).abs() < 1.0 {
        // beside the column
        let x = a.0 + SIZES.width;
        let out = x + SIZES.across * 0.6;
        return format!("M{x} {ya}C{out} {ya} {out} {yb} {x} {yb}");
    }
    let right = a.0 < b.0;
    let (mut x, mut y) = (if right { a.0 + SIZES.width } else { a.0 }, ya);
    let mut path = format!("M{x} {y}");
    let end = (if right { b.0 } else { b.0 + SIZES.width }, yb);
    let ends = passes.iter().map(|(left, far, y)| if right { (*left, *y, *far) } else { (*far, *y, *left) });
    for (near, next, far) in ends.chain([(end.0, end.1, end.0)]) {
        let half = f64::midpoint(x, near);
        let _ = write!(path, "C{half} {y} {half} {next} {near} {next}");
        if (near - far).abs() > 1.0 {
            let _ = write!(path, "L{far} {next}");
        }
        (x, y) = (far, next);
    }
    path
}
