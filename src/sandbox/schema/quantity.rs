//! Quantities such as `500m` and `1Gi`, in the one form that a server gives them.

const SMALL: [(&str, i32); 4] = [("n", -9), ("u", -6), ("m", -3), ("", 0)];
const LARGE: [(&str, i32); 6] = [("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];
const BINARY: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/// The canonical form; `None` when the text is no quantity.
pub(crate) fn canonical(text: &str) -> Option<String> {
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
    let shown = if let Some(place) = BINARY.iter().position(|known| *known == suffix) {
        binary(mantissa, fraction, u32::try_from(place).ok()? + 1)?
    } else {
        let (exponent, scientific) = match SMALL.iter().chain(&LARGE).find(|(known, _)| *known == suffix) {
            Some((_, exponent)) => (*exponent, false),
            None => (suffix.strip_prefix(['e', 'E'])?.parse().ok().filter(|e: &i32| e.abs() < 30)?, true),
        };
        decimal(mantissa, exponent - fraction, scientific)?
    };
    Some(if negative && shown != "0" { format!("-{shown}") } else { shown })
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
    use super::canonical;

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
}
