//! Places for boxes in columns: few crossings, no overlap, the same for the same input.

use std::collections::BTreeMap;

/// A box to be placed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    /// Its column, from the left.
    pub column: usize,
    /// Whether it keeps its order among the others of its column.
    pub fixed: bool,
}

/// How large things are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub width: f64,
    pub height: f64,
    /// Between columns.
    pub across: f64,
    /// Between boxes of a column.
    pub down: f64,
}

/// Where everything is.
#[derive(Debug)]
pub(super) struct Places {
    /// The upper left corner of each box.
    pub boxes: Vec<(f64, f64)>,
    /// For each edge, where it passes the columns between its ends: the left and right x and the y.
    pub passes: Vec<Vec<(f64, f64, f64)>>,
    pub width: f64,
    pub height: f64,
}

/// How often the columns are put in order, from the left and from the right.
const SWEEPS: usize = 6;
/// The room that an edge takes up which passes a column.
const PASS: f64 = 10.0;

struct Cell {
    column: usize,
    fixed: bool,
    height: f64,
    next: Vec<usize>,
}

/// Gives each box its place. Edges are pairs of boxes.
pub(super) fn layout(items: &[Item], edges: &[(usize, usize)], sizes: Sizes) -> Places {
    // columns that hold nothing take no room
    let mut used: Vec<usize> = items.iter().map(|item| item.column).collect();
    used.sort_unstable();
    used.dedup();
    let column = |item: &Item| used.iter().position(|column| *column == item.column).unwrap_or(0);
    let mut cells: Vec<Cell> = items
        .iter()
        .map(|item| Cell { column: column(item), fixed: item.fixed, height: sizes.height, next: vec![] })
        .collect();
    let mut chains = vec![];
    for (from, to) in edges {
        chains.push(chain(&mut cells, *from, *to));
    }
    let mut columns: Vec<Vec<usize>> = vec![vec![]; used.len()];
    for (place, cell) in cells.iter().enumerate() {
        columns[cell.column].push(place);
    }
    order(&cells, &mut columns);
    let middles = heights(&cells, &columns, sizes.down);
    let top = cells.iter().zip(&middles).map(|(cell, y)| y - cell.height / 2.0).fold(f64::INFINITY, f64::min);
    let bottom = cells.iter().zip(&middles).map(|(cell, y)| y + cell.height / 2.0).fold(0.0, f64::max);
    let top = if top.is_finite() { top } else { 0.0 };
    let x = |place: usize| f64::from(u32::try_from(cells[place].column).unwrap_or(0)) * (sizes.width + sizes.across);
    let count = f64::from(u32::try_from(used.len().max(1)).unwrap_or(1));
    Places {
        boxes: (0..items.len()).map(|place| (x(place), round(middles[place] - sizes.height / 2.0 - top))).collect(),
        passes: chains
            .iter()
            .map(|chain| chain.iter().map(|p| (x(*p), x(*p) + sizes.width, round(middles[*p] - top))).collect())
            .collect(),
        width: count * (sizes.width + sizes.across) - sizes.across,
        height: round(bottom - top).max(sizes.height),
    }
}

/// Halves are exact in every writing of a number.
fn round(y: f64) -> f64 {
    (y * 2.0).round() / 2.0
}

/// Joins two cells, with a cell in each column between them; these are given back, from the first end to the second.
fn chain(cells: &mut Vec<Cell>, from: usize, to: usize) -> Vec<usize> {
    let (a, b) = (cells[from].column, cells[to].column);
    let between: Vec<usize> = if a < b { (a + 1..b).collect() } else { (b + 1..a).rev().collect() };
    let mut passes = vec![];
    let mut last = from;
    for column in between {
        cells.push(Cell { column, fixed: false, height: PASS, next: vec![] });
        passes.push(cells.len() - 1);
    }
    for place in passes.iter().copied().chain([to]) {
        cells[last].next.push(place);
        cells[place].next.push(last);
        last = place;
    }
    passes
}

/// Puts each column in the order of what its cells are joined to, back and forth.
fn order(cells: &[Cell], columns: &mut [Vec<usize>]) {
    for sweep in 0..SWEEPS {
        let forth = sweep % 2 == 0;
        for step in 1..columns.len() {
            let (at, beside) = if forth { (step, step - 1) } else { (columns.len() - 1 - step, columns.len() - step) };
            let places: BTreeMap<usize, usize> =
                columns[beside].iter().enumerate().map(|(n, place)| (*place, n)).collect();
            let now: BTreeMap<usize, usize> = columns[at].iter().enumerate().map(|(n, place)| (*place, n)).collect();
            let key = |place: &usize| {
                let joined: Vec<f64> =
                    cells[*place].next.iter().filter_map(|other| places.get(other)).map(|n| number(*n)).collect();
                // what is joined to nothing there stays where it is
                if joined.is_empty() { number(now[place]) } else { joined.iter().sum::<f64>() / number(joined.len()) }
            };
            let mut sorted = columns[at].clone();
            sorted.sort_by(|a, b| key(a).total_cmp(&key(b)).then(now[a].cmp(&now[b])));
            // those that keep their order take the places that are left for them
            let mut fixed = columns[at].iter().filter(|place| cells[**place].fixed);
            for place in &mut sorted {
                if cells[*place].fixed {
                    *place = *fixed.next().expect("as many as there are");
                }
            }
            columns[at] = sorted;
        }
    }
}

fn number(n: usize) -> f64 {
    f64::from(u32::try_from(n).unwrap_or(u32::MAX))
}

/// The middle of each cell: as near to what it is joined to as the order and the gaps allow.
fn heights(cells: &[Cell], columns: &[Vec<usize>], gap: f64) -> Vec<f64> {
    let mut middles = vec![0.0; cells.len()];
    let mut placed = vec![false; cells.len()];
    // from the column with the most to tell, which is stacked, to both sides
    let first = columns.iter().enumerate().max_by_key(|(n, column)| (column.len(), std::cmp::Reverse(*n)));
    let first = first.map_or(0, |(n, _)| n);
    let outward = (first..columns.len()).chain((0..first).rev());
    for at in outward {
        let column = &columns[at];
        let wanted: Vec<f64> = column
            .iter()
            .scan(0.0, |stacked, place| {
                let joined: Vec<f64> =
                    cells[*place].next.iter().filter(|other| placed[**other]).map(|other| middles[*other]).collect();
                let own = *stacked + cells[*place].height / 2.0;
                *stacked += cells[*place].height + gap;
                Some(if joined.is_empty() { own } else { joined.iter().sum::<f64>() / number(joined.len()) })
            })
            .collect();
        let tall: Vec<f64> = column.iter().map(|place| cells[*place].height).collect();
        for (place, y) in column.iter().zip(apart(&wanted, &tall, gap)) {
            middles[*place] = y;
        }
        for place in column {
            placed[*place] = true;
        }
    }
    middles
}

/// The positions nearest to the wanted ones (least squares) that keep the order and the gaps: neighbours that are too
/// close are pooled, and moved as one.
fn apart(wanted: &[f64], tall: &[f64], gap: f64) -> Vec<f64> {
    let mut offsets = vec![];
    let mut offset = 0.0;
    for (n, height) in tall.iter().enumerate() {
        offset += if n == 0 { 0.0 } else { tall[n - 1] / 2.0 + gap + height / 2.0 };
        offsets.push(offset);
    }
    // (mean, how many)
    let mut pools: Vec<(f64, usize)> = vec![];
    for (want, offset) in wanted.iter().zip(&offsets) {
        let mut pool = (want - offset, 1);
        while let Some(last) = pools.last().filter(|last| last.0 > pool.0).copied() {
            pools.pop();
            let count = last.1 + pool.1;
            pool = ((last.0 * number(last.1) + pool.0 * number(pool.1)) / number(count), count);
        }
        pools.push(pool);
    }
    let fitted = pools.iter().flat_map(|(mean, count)| std::iter::repeat_n(*mean, *count));
    fitted.zip(offsets).map(|(mean, offset)| mean + offset).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIZES: Sizes = Sizes { width: 100.0, height: 40.0, across: 60.0, down: 12.0 };

    fn apart_from_each_other(places: &Places) {
        for (n, a) in places.boxes.iter().enumerate() {
            assert!(a.0 >= 0.0 && a.1 >= 0.0 && a.0 + 100.0 <= places.width && a.1 + 40.0 <= places.height, "{a:?}");
            for b in &places.boxes[n + 1..] {
                let beside = (a.0 - b.0).abs() >= 100.0;
                assert!(beside || (a.1 - b.1).abs() >= 40.0, "{a:?} {b:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_two_boxes_overlap(columns in prop::collection::vec(0usize..6, 1..60), ends in prop::collection::vec((0usize..60, 0usize..60), 0..120)) {
            let items: Vec<Item> = columns.iter().map(|column| Item { column: *column, fixed: *column < 2 }).collect();
            let edges: Vec<(usize, usize)> =
                ends.into_iter().filter(|(a, b)| a != b && *a < items.len() && *b < items.len()).collect();
            let places = layout(&items, &edges, SIZES);
            apart_from_each_other(&places);
            prop_assert_eq!(places.passes.len(), edges.len());
            let again = layout(&items, &edges, SIZES);
            prop_assert_eq!(again.boxes, places.boxes);
        }
    }

    #[test]
    fn fixed_boxes_keep_their_order() {
        let items =
            [(0, true), (0, true), (0, true), (1, false), (1, false)].map(|(column, fixed)| Item { column, fixed });
        let places = layout(&items, &[(0, 4), (2, 3)], SIZES);
        assert!(places.boxes[0].1 < places.boxes[1].1 && places.boxes[1].1 < places.boxes[2].1);
        assert!(places.boxes[4].1 < places.boxes[3].1, "what belongs together is side by side");
    }

    #[test]
    fn an_edge_passes_a_column_between_its_boxes() {
        let items = [(0, true), (1, false), (2, false)].map(|(column, fixed)| Item { column, fixed });
        let places = layout(&items, &[(0, 2), (0, 1)], SIZES);
        let [(left, right, y)] = places.passes[0][..] else { panic!("one pass") };
        assert!((left - 160.0).abs() < 0.1 && (right - 260.0).abs() < 0.1);
        let top = places.boxes[1].1;
        assert!(y < top || y > top + 40.0, "not through the box: {y} {top}");
    }
}
