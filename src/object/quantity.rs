//! Quantities such as `500m` and `1Gi`: in the one form that a server gives them, added and compared.

use std::cmp::Ordering;
use std::fmt;

const SMALL: [(&str, i32); 4] = [("n", -9), ("u", -6), ("m", -3), ("", 0)];
const LARGE: [(&str, i32); 6] = [("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];
const BINARY: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/// A quantity as it is written: a number without its point, how many of its digits stand after that, and the suffix.
struct Written {
    negative: bool,
    mantissa: i128,
    fraction: i32,
    scale: Scale,
}

enum Scale {
    /// How often 1024 is taken.
    Binary(u32),
    /// The power of ten, and whether it is written as such.
    Decimal(i32, bool),
}

fn read(text: &str) -> Option<Written> {
    let (negative, rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let (digits, suffix) = rest.split_at(end);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') || digits.len() > 24 {
        return None;
    }
    let mantissa: i128 = format!("{whole}{fraction}").parse().ok()?;
    let fraction = i32::try_from(fraction.len()).ok()?;
    let scale = if let Some(place) = BINARY.iter().position(|known| *known == suffix) {
        Scale::Binary(u32::try_from(place).ok()? + 1)
    } else {
        match SMALL.iter().chain(&LARGE).find(|(known, _)| *known == suffix) {
            Some((_, exponent)) => Scale::Decimal(*exponent, false),
            None => Scale::Decimal(suffix.strip_prefix(['e', 'E'])?.parse().ok().filter(|e: &i32| e.abs() < 30)?, true),
        }
    };
    Some(Written { negative, mantissa, fraction, scale })
}

/// The canonical form; `None` when the text is no quantity.
pub fn canonical(text: &str) -> Option<String> {
    let Written { negative, mantissa, fraction, scale } = read(text)?;
    let shown = match scale {
        Scale::Binary(power) => binary(mantissa, fraction, power)?,
        Scale::Decimal(exponent, scientific) => decimal(mantissa, exponent - fraction, scientific)?,
    };
    Some(if negative && shown != "0" { format!("-{shown}") } else { shown })
}

/// An amount that can be added and compared. One too large to count is the largest there is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quantity {
    /// In billionths.
    billionths: i128,
    /// Shown in powers of 1024.
    binary: bool,
}

impl Quantity {
    /// `None` when the text is no quantity.
    pub fn parse(text: &str) -> Option<Self> {
        let Written { negative, mantissa, fraction, scale } = read(text)?;
        let (units, exponent, binary) = match scale {
            Scale::Binary(power) => (mantissa.saturating_mul(1024_i128.saturating_pow(power)), 9 - fraction, true),
            Scale::Decimal(exponent, _) => (mantissa, 9 + exponent - fraction, false),
        };
        let factor = 10_i128.saturating_pow(exponent.unsigned_abs());
        // Finer than a billionth is rounded up.
        let amount =
            if exponent < 0 { units.saturating_add(factor - 1) / factor } else { units.saturating_mul(factor) };
        Some(Self { billionths: if negative { -amount } else { amount }, binary })
    }

    /// So many of it.
    #[must_use]
    pub fn times(self, number: i64) -> Self {
        Self { billionths: self.billionths.saturating_mul(number.into()), ..self }
    }

    /// What is more than the other; below nothing where that is more.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        let binary = if self.is_zero() { other.binary } else { self.binary };
        Self { billionths: self.billionths.saturating_sub(other.billionths), binary }
    }

    /// So many whole things.
    pub fn count(number: usize) -> Self {
        let number = i128::try_from(number).unwrap_or(i128::MAX);
        Self { billionths: number.saturating_mul(1_000_000_000), binary: false }
    }

    /// Whether there is nothing of it.
    pub fn is_zero(self) -> bool {
        self.billionths == 0
    }

    /// Whether it is a whole number of units.
    pub fn is_whole(self) -> bool {
        self.billionths % 1_000_000_000 == 0
    }

    /// Shown as the first of the two that is not zero.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let binary = if self.is_zero() { other.binary } else { self.binary };
        Self { billionths: self.billionths.saturating_add(other.billionths), binary }
    }

    /// What is left, not less than nothing.
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        Self { billionths: self.billionths.saturating_sub(other.billionths).max(0), ..self }
    }

    /// How often the other goes into this one.
    #[allow(clippy::cast_precision_loss, reason = "shown with six digits")]
    pub fn ratio(self, other: Self) -> f64 {
        self.billionths as f64 / other.billionths as f64
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.billionths == other.billionths
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.billionths.cmp(&other.billionths)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let amount = self.billionths.saturating_abs();
        let whole = amount % 1_000_000_000 == 0;
        let shown =
            if self.binary && whole { binary(amount / 1_000_000_000, 0, 0) } else { decimal(amount, -9, false) };
        let sign = if self.billionths < 0 { "-" } else { "" };
        // what has no short form is shown in full
        write!(f, "{sign}{}", shown.unwrap_or_else(|| (amount / 1_000_000_000).to_string()))
    }
}

fn binary(mantissa: i128, fraction: i32, power: u32) -> Option<String> {
    let scale = 10_i128.checked_pow(u32::try_from(fraction).ok()?)?;
    let bytes = mantissa.checked_mul(1024_i128.checked_pow(power)?)?;
    if bytes % scale != 0 {
        return decimal(bytes.checked_mul(1000)? / scale, -3, false);
    }
    let mut number = bytes / scale;
    let mut step = 0;
    while number != 0 && number % 1024 == 0 && step < BINARY.len() {
        number /= 1024;
        step += 1;
    }
    let suffix = step.checked_sub(1).and_then(|place| BINARY.get(place)).copied().unwrap_or_default();
    Some(format!("{number}{suffix}"))
}

fn decimal(mut mantissa: i128, mut exponent: i32, scientific: bool) -> Option<String> {
    if mantissa == 0 {
        return Some("0".to_owned());
    }
    while mantissa % 10 == 0 {
        mantissa /= 10;
        exponent += 1;
    }
    while exponent < -9 {
        // Finer than a billionth is rounded up.
        mantissa = (mantissa + 9) / 10;
        exponent += 1;
    }
    while exponent.rem_euclid(3) != 0 {
        mantissa = mantissa.checked_mul(10)?;
        exponent -= 1;
    }
    while exponent > 18 && !scientific {
        mantissa = mantissa.checked_mul(1000)?;
        exponent -= 3;
    }
    if scientific {
        return Some(if exponent == 0 { mantissa.to_string() } else { format!("{mantissa}e{exponent}") });
    }
    let suffix = SMALL.iter().chain(&LARGE).find(|(_, known)| *known == exponent).map(|(suffix, _)| *suffix)?;
    Some(format!("{mantissa}{suffix}"))
}

#[cfg(test)]
mod tests {
    use super::{Quantity, canonical};

    #[test]
    fn quantities_have_one_form() {
        for (given, expected) in [
            ("1", "1"),
            ("1000m", "1"),
            ("0.5", "500m"),
            ("1500m", "1500m"),
            ("1024Mi", "1Gi"),
            ("1.5Gi", "1536Mi"),
            ("1000", "1k"),
            ("1000Ki", "1000Ki"),
            ("0", "0"),
            ("-2", "-2"),
            ("1e3", "1e3"),
        ] {
            assert_eq!(canonical(given).as_deref(), Some(expected), "{given}");
        }
        for wrong in ["", "lots", "1x", ".", "1.2.3", "--1"] {
            assert_eq!(canonical(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn quantities_are_added_and_compared_whatever_they_are_written_in() {
        let of = |text: &str| Quantity::parse(text).expect("a quantity");
        for (a, b, sum) in [
            ("500m", "1", "1500m"),
            ("0", "1Gi", "1Gi"),
            ("1Gi", "512Mi", "1536Mi"),
            ("1Gi", "1G", "2073741824"),
            ("1", "1Mi", "1048577"),
            ("1n", "1", "1000000001n"),
        ] {
            assert_eq!(of(a).plus(of(b)).to_string(), sum, "{a} + {b}");
        }
        assert!(of("1000m") == of("1") && of("1Ki") > of("1k") && of("0.1") < of("200m"));
        assert_eq!(of("2").less(of("500m")).to_string(), "1500m");
        assert_eq!(of("1").less(of("2")), Quantity::default());
        assert!(of("9e29").plus(of("9e29")) >= of("9e29"));
        assert_eq!(Quantity::count(3).to_string(), "3");
    }
}
