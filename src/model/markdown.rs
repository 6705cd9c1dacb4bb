//! Markdown for plans and records: it stays valid whatever a playbook says, and reads well without being rendered.

use super::text::one_line;

/// A playbook's words as they stand in a paragraph or list: one line, its own emphasis and code kept, no HTML, nothing that
/// begins another block.
pub fn inline(text: &str) -> String {
    let text = one_line(text).replace('<', "\\<");
    let block = text.starts_with(['#', '>', '-', '+', '|', '=', '~'])
        || text.starts_with("* ")
        || text.starts_with("```")
        || text.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with(['.', ')'])
            && text.starts_with(|c: char| c.is_ascii_digit());
    if !block {
        text
    } else if text.starts_with(|c: char| c.is_ascii_digit()) {
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(0);
        format!("{}\\{}", &text[..digits], &text[digits..])
    } else {
        format!("\\{text}")
    }
}

/// Text as code: with as many backticks around it as it needs.
pub fn code(text: &str) -> String {
    let text = one_line(text);
    if text.is_empty() {
        return "``` ```".into();
    }
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    if longest == 0 {
        return format!("`{text}`");
    }
    let ticks = "`".repeat(longest + 1);
    format!("{ticks} {text} {ticks}")
}

/// A table with aligned columns. Cells are ready Markdown; what would end a cell is escaped here.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let escaped: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| cell.replace('|', "\\|").replace('\n', " ")).collect()).collect();
    let widths: Vec<usize> = head
        .iter()
        .enumerate()
        .map(|(n, title)| {
            let cells = escaped.iter().filter_map(|row| row.get(n)).map(|cell| cell.chars().count());
            // one long cell does not make the others wide
            cells.filter(|width| *width <= 40).chain([title.chars().count(), 3]).max().unwrap_or(3)
        })
        .collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let cells: Vec<String> = cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("| {} |", cells.join(" | "))
    };
    let mut out = vec![line(&mut head.iter().copied())];
    out.push(format!("|{}|", widths.iter().map(|width| "-".repeat(width + 2)).collect::<Vec<_>>().join("|")));
    out.extend(escaped.iter().map(|row| line(&mut row.iter().map(String::as_str))));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_playbooks_words_begin_no_block_and_no_html() {
        let shown = ["# x", "- x", "1. x", "12) x", "> x", "<script>", "a\n# b", "*x* y", "4 nodes"].map(inline);
        assert_eq!(
            shown,
            ["\\# x", "\\- x", "1\\. x", "12\\) x", "\\> x", "\\<script>", "a ⏎ # b", "*x* y", "4 nodes"]
        );
    }

    #[test]
    fn code_holds_backticks_and_cells_hold_bars() {
        assert_eq!(code("a`b"), "`` a`b ``");
        assert_eq!(code("x"), "`x`");
        assert_eq!(table(&["a"], &[vec!["x | y".into()]])[2], "| x \\| y |");
    }
}
