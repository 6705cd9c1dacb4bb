//! From a place to the source text around it: the expression that a record stands for, and the span of a closure.
//! The syntax tree knows where things begin, not where they end; the tokens do.

use std::collections::HashMap;

use rhai::{Engine, Position, Token};

#[derive(Debug)]
struct Piece {
    token: Token,
    /// Byte offsets in the source.
    start: usize,
    end: usize,
    /// The index of the bracket that belongs to this one; its own index for anything else.
    pair: usize,
}

/// The tokens of one file.
#[derive(Debug)]
pub(super) struct Text {
    source: String,
    lines: Vec<usize>,
    pieces: Vec<Piece>,
    places: HashMap<Position, usize>,
}

/// An expression in the source.
#[derive(Debug)]
pub(super) struct Around<'t> {
    pub text: &'t str,
    /// The token at the place that was asked for is a name: a function or a method.
    pub is_call: bool,
    pub left: Side,
    pub right: Side,
}

/// What stands on one side of an operator.
#[derive(Debug, PartialEq)]
pub(super) enum Side {
    Literal,
    /// A variable alone.
    Variable(String),
    Other,
}

impl Text {
    pub fn new(engine: &Engine, source: &str) -> Self {
        let mut lines = vec![0];
        lines.extend(source.match_indices('\n').map(|(i, _)| i + 1));
        let mut text = Self { source: source.into(), lines, pieces: Vec::new(), places: HashMap::new() };
        let input = [source];
        let (mut tokens, control) = engine.lex(&input);
        let mut open = Vec::new();
        // Interpolated strings: how many brackets were open when the string began.
        let mut strings = Vec::new();
        while let Some((token, position)) = tokens.next() {
            if token == Token::EOF {
                break;
            }
            let here = text.pieces.len();
            let mut pair = here;
            match &token {
                Token::InterpolatedString(_) => strings.push(open.len()),
                Token::LeftParen | Token::LeftBracket | Token::QuestionBracket | Token::LeftBrace | Token::MapStart => {
                    open.push(here);
                }
                Token::RightParen | Token::RightBracket | Token::RightBrace => {
                    if let Some(begin) = open.pop() {
                        pair = begin;
                        text.pieces[begin].pair = here;
                    }
                    if token == Token::RightBrace && strings.last() == Some(&open.len()) {
                        strings.pop();
                        control.borrow_mut().is_within_text = true;
                    }
                }
                _ => (),
            }
            // The last piece of an interpolated string has no place: it begins where the token before it ended.
            let before = text.pieces.last().map_or(0, |piece| piece.end);
            let start = text.offset(position, 0).unwrap_or(before);
            let end = text.offset(tokens.pos, 1).unwrap_or(source.len()).max(start);
            if !position.is_none() {
                text.places.entry(position).or_insert(here);
            }
            text.pieces.push(Piece { token, start, end, pair });
        }
        text
    }

    /// The byte offset of a place, `after` characters later.
    fn offset(&self, position: Position, after: usize) -> Option<usize> {
        let start = *self.lines.get(position.line()?.checked_sub(1)?)?;
        let column = (position.position().unwrap_or(0) + after).saturating_sub(1);
        let line = &self.source[start..];
        // most lines are ASCII, where a column is a byte
        if line.as_bytes().get(..column).is_some_and(<[u8]>::is_ascii) {
            return Some(start + column);
        }
        Some(line.char_indices().nth(column).map_or(self.source.len(), |(i, _)| start + i))
    }

    /// The operand of `&&`, `||`, `!` that a place stands in, with the sides of the token at that place.
    pub fn around(&self, position: Position) -> Option<Around<'_>> {
        let at = *self.places.get(&position)?;
        let (first, last) = (self.first(at), self.last(at));
        let text = self.source.get(self.pieces[first].start..self.pieces[last].end)?;
        let is_call = matches!(self.pieces[at].token, Token::Identifier(_));
        let left = if at > first { self.side(first, at - 1) } else { Side::Other };
        let right = if at < last { self.side(at + 1, last) } else { Side::Other };
        Some(Around { text, is_call, left, right })
    }

    fn first(&self, at: usize) -> usize {
        let mut first = at;
        while let Some(before) = first.checked_sub(1) {
            let piece = &self.pieces[before];
            match piece.token {
                Token::RightParen | Token::RightBracket => first = piece.pair,
                // A block ends the expression before this one; a map or a piece of a string belongs to this one.
                Token::RightBrace if self.is_value(piece.pair) => first = piece.pair,
                _ if ends_to_the_left(&piece.token) => return first,
                _ => first = before,
            }
        }
        first
    }

    fn last(&self, at: usize) -> usize {
        let mut last = at;
        while let Some(piece) = self.pieces.get(last + 1) {
            match piece.token {
                Token::LeftBrace if !self.is_value(last + 1) => return last,
                Token::LeftParen | Token::LeftBracket | Token::MapStart | Token::LeftBrace if piece.pair > last => {
                    last = piece.pair;
                }
                _ if ends_to_the_right(&piece.token) => return last,
                _ => last += 1,
            }
        }
        last
    }

    /// Whether an opening brace belongs to a value: `#{`, or `${` in a string.
    fn is_value(&self, brace: usize) -> bool {
        let in_string = || {
            let before = brace.checked_sub(1).map(|before| &self.pieces[before].token);
            matches!(before, Some(Token::InterpolatedString(_)))
        };
        self.pieces[brace].token == Token::MapStart || in_string()
    }

    fn side(&self, first: usize, last: usize) -> Side {
        let tokens = &self.pieces[first..=last];
        if let [Piece { token: Token::Identifier(name), .. }] = tokens {
            return Side::Variable(name.to_string());
        }
        let literal = tokens.iter().enumerate().all(|(i, piece)| match piece.token {
            Token::Identifier(_) => matches!(tokens.get(i + 1).map(|next| &next.token), Some(Token::Colon)),
            Token::IntegerConstant(_)
            | Token::FloatConstant(_)
            | Token::StringConstant(_)
            | Token::CharConstant(_)
            | Token::True
            | Token::False
            | Token::Unit
            | Token::UnaryMinus
            | Token::Minus
            | Token::LeftBracket
            | Token::RightBracket
            | Token::LeftParen
            | Token::RightParen
            | Token::MapStart
            | Token::RightBrace
            | Token::Colon
            | Token::Comma
            | Token::ExclusiveRange
            | Token::InclusiveRange => true,
            _ => false,
        });
        if literal { Side::Literal } else { Side::Other }
    }

    /// A closure, from its first `|` to the end of its body.
    pub fn closure(&self, position: Position) -> Option<&str> {
        let start = *self.places.get(&position)?;
        let body = match self.pieces[start].token {
            Token::Or => start + 1,
            Token::Pipe => {
                let rest = self.pieces.iter().enumerate().skip(start + 1);
                rest.filter(|(_, piece)| piece.token == Token::Pipe).map(|(i, _)| i + 1).next()?
            }
            _ => return None,
        };
        let last = match self.pieces.get(body)?.token {
            Token::LeftBrace => self.pieces[body].pair,
            _ => self.end_of_body(body),
        };
        self.source.get(self.pieces[start].start..self.pieces[last].end)
    }

    /// The text between two places, the tokens at both included.
    pub fn between(&self, start: Position, end: Position) -> Option<&str> {
        let [first, last] = [start, end].map(|place| self.places.get(&place).map(|at| &self.pieces[*at]));
        self.source.get(first?.start..last?.end)
    }

    /// An expression body goes to the closing bracket, `,` or `;`: `&&` and `||` belong to it.
    fn end_of_body(&self, body: usize) -> usize {
        let mut next = body;
        let mut last = body;
        while let Some(piece) = self.pieces.get(next) {
            match piece.token {
                Token::RightParen | Token::RightBracket | Token::RightBrace | Token::Comma | Token::SemiColon => break,
                _ => last = piece.pair.max(next),
            }
            next = last + 1;
        }
        last
    }
}

fn ends_to_the_left(token: &Token) -> bool {
    matches!(
        token,
        Token::LeftParen
            | Token::LeftBracket
            | Token::QuestionBracket
            | Token::LeftBrace
            | Token::RightBrace
            | Token::MapStart
            | Token::And
            | Token::Or
            | Token::Pipe
            | Token::Comma
            | Token::SemiColon
            | Token::Colon
            | Token::Equals
            | Token::DoubleArrow
            | Token::Bang
            | Token::Return
            | Token::Throw
            | Token::If
            | Token::Else
            | Token::While
            | Token::Until
            | Token::Switch
            | Token::PlusAssign
            | Token::MinusAssign
    )
}

fn ends_to_the_right(token: &Token) -> bool {
    matches!(
        token,
        Token::RightParen
            | Token::RightBracket
            | Token::RightBrace
            | Token::And
            | Token::Or
            | Token::Pipe
            | Token::Comma
            | Token::SemiColon
            | Token::DoubleArrow
            | Token::Else
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::engine;

    fn closure(source: &str, column: u16) -> Option<String> {
        Text::new(&engine::bare(), source).closure(Position::new(1, column)).map(Into::into)
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
