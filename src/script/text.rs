use rhai::{Position, Token};

use super::engine;

/// One token with its offsets in bytes.
struct Piece {
    token: Token,
    position: Position,
    start: usize,
    end: usize,
}

/// A script's text as tokens: the syntax tree says where something begins, never where it ends.
pub(super) struct Text {
    source: String,
    pieces: Vec<Piece>,
}

impl Text {
    pub(super) fn new(source: &str) -> Self {
        let lines: Vec<usize> = std::iter::once(0).chain(source.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let offset = |line: usize, column: usize| -> usize {
            let Some(start) = line.checked_sub(1).and_then(|line| lines.get(line)).copied() else {
                return source.len();
            };
            let rest = &source[start..];
            // most lines are ASCII, where a column is a byte
            if rest.len() >= column && rest.as_bytes()[..column].is_ascii() {
                return start + column.saturating_sub(1);
            }
            rest.char_indices().nth(column.saturating_sub(1)).map_or(source.len(), |(at, _)| start + at)
        };
        let engine = engine::bare();
        let input = [source];
        let (mut tokens, control) = engine.lex(&input);
        let mut pieces: Vec<Piece> = vec![];
        let (mut depth, mut interpolations) = (0usize, vec![]);
        while let Some((token, position)) = tokens.next() {
            if token == Token::EOF {
                break;
            }
            match &token {
                Token::InterpolatedString(..) => interpolations.push(depth),
                Token::LeftBrace | Token::MapStart => depth += 1,
                Token::RightBrace => {
                    depth = depth.saturating_sub(1);
                    if interpolations.last() == Some(&depth) {
                        interpolations.pop();
                        control.borrow_mut().is_within_text = true;
                    }
                }
                _ => {}
            }
            let previous = pieces.last().map_or(0, |piece| piece.end);
            // the last piece of an interpolated text has no position
            let start = position.line().map_or(previous, |line| offset(line, position.position().unwrap_or(1).max(1)));
            let last = tokens.pos;
            let end = last.line().map_or(source.len(), |line| offset(line, last.position().unwrap_or(0) + 1));
            pieces.push(Piece { token, position, start, end: end.max(start) });
        }
        Self { source: source.into(), pieces }
    }

    /// The text of the closure whose first `|` stands here, parameters and body.
    pub(super) fn closure(&self, position: Position) -> Option<&str> {
        let first = self.pieces.iter().position(|piece| piece.position == position)?;
        let body = match self.pieces[first].token {
            Token::Or => first + 1,
            _ => self.pieces.iter().skip(first + 1).position(|piece| piece.token == Token::Pipe)? + first + 2,
        };
        let last = match self.pieces.get(body)?.token {
            Token::LeftBrace => self.closing_brace(body),
            _ => self.expression_end(body),
        };
        self.source.get(self.pieces[first].start..self.pieces.get(last)?.end)
    }

    /// The text between two positions, both included.
    pub(super) fn between(&self, start: Position, end: Position) -> Option<&str> {
        let first = self.pieces.iter().find(|piece| piece.position == start)?;
        let last = self.pieces.iter().find(|piece| piece.position == end)?;
        self.source.get(first.start..last.end)
    }

    fn closing_brace(&self, open: usize) -> usize {
        let mut depth = 0usize;
        for (at, piece) in self.pieces.iter().enumerate().skip(open) {
            match piece.token {
                Token::LeftBrace | Token::MapStart => depth += 1,
                Token::RightBrace => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return at;
                    }
                }
                _ => {}
            }
        }
        self.pieces.len().saturating_sub(1)
    }

    /// To the closing bracket around it, or to `,` or `;`.
    fn expression_end(&self, start: usize) -> usize {
        let (mut depth, mut last) = (0usize, start);
        for (at, piece) in self.pieces.iter().enumerate().skip(start) {
            match piece.token {
                Token::LeftParen | Token::LeftBracket | Token::LeftBrace | Token::MapStart => depth += 1,
                Token::RightParen | Token::RightBracket | Token::RightBrace => match depth.checked_sub(1) {
                    Some(less) => depth = less,
                    None => return last,
                },
                Token::Comma | Token::SemiColon if depth == 0 => return last,
                _ => {}
            }
            last = at;
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closure(source: &str, column: u16) -> Option<String> {
        Text::new(source).closure(Position::new(1, column)).map(Into::into)
    }

    #[test]
    fn a_closure_ends_where_its_body_ends() {
        assert_eq!(closure("f(|| 1 + 2, 3)", 3).as_deref(), Some("|| 1 + 2"));
        assert_eq!(closure("f(|| g(1, [2, 3]));", 3).as_deref(), Some("|| g(1, [2, 3])"));
        assert_eq!(closure("f(|a, b| { a } /* } */, 1)", 3).as_deref(), Some("|a, b| { a }"));
        assert_eq!(closure("f(|| { // }\n 1 })", 3).as_deref(), Some("|| { // }\n 1 }"));
    }

    #[test]
    fn braces_in_texts_and_interpolations_do_not_end_it() {
        let text = "é(|| { `a${if x == \"}\" { \"{\" } else { \"é\" }}}b` })";
        assert_eq!(closure(text, 3).as_deref(), Some("|| { `a${if x == \"}\" { \"{\" } else { \"é\" }}}b` }"));
    }

    #[test]
    fn a_text_that_does_not_parse_gives_nothing_and_does_not_panic() {
        for text in ["f(|", "f(|| {", "f(|| `${", "\"", "|a", "}}}"] {
            for column in 1..8 {
                let _ = closure(text, column);
            }
        }
    }
}
