//! The bound: how large a share of all results may differ, after a look at a sample of them.

/// How sure one can be that the share is no larger.
const CONFIDENCE: f64 = 0.95;

/// Halvings of an interval of length 1 until it is as short as a double can tell.
const HALVINGS: usize = 60;

/// Terms of the sum that are smaller than this part of it change nothing.
const NEGLIGIBLE: f64 = 1e-18;

/// The largest share of different results that is still likely, when `different` of `compared` were: with 95 % confidence
/// it is no larger. None when nothing was compared.
///
/// The one-sided bound of Clopper and Pearson ("The Use of Confidence or Fiducial Limits Illustrated in the Case of the
/// Binomial", 1934); for no difference it is `1 - 0.05^(1/compared)`, or about `3/compared`. The results are drawn without
/// putting any back, which makes the true bound a little smaller, never larger.
pub(super) fn share_max(compared: u64, different: u64) -> Option<f64> {
    if compared == 0 {
        return None;
    }
    let doubt = 1.0 - CONFIDENCE;
    if different >= compared {
        return Some(1.0);
    }
    if different == 0 {
        return Some(1.0 - doubt.powf(1.0 / compared as f64));
    }
    let ways = ways_ln(compared, different);
    let (mut low, mut high) = (different as f64 / compared as f64, 1.0);
    for _ in 0..HALVINGS {
        let share = f64::midpoint(low, high);
        if at_most(compared, different, share, ways) > doubt {
            low = share;
        } else {
            high = share;
        }
    }
    Some(high)
}

/// The logarithm of the number of ways to choose so many.
fn ways_ln(of: u64, chosen: u64) -> f64 {
    let chosen = chosen.min(of - chosen);
    (0..chosen)
        .map(|at| ((of - at) as f64).ln() - ((at + 1) as f64).ln())
        .sum()
}

/// The probability that at most `different` of `compared` differ when this share of all does. The share is larger than
/// that of the sample, so the terms fall from the last one on.
fn at_most(compared: u64, different: u64, share: f64, ways_ln: f64) -> f64 {
    if share >= 1.0 {
        return 0.0;
    }
    let (n, x) = (compared as f64, different as f64);
    let mut term = (ways_ln + x * share.ln() + (n - x) * (-share).ln_1p()).exp();
    let mut sum = 0.0;
    for at in (0..=different).rev() {
        sum += term;
        if term <= sum * NEGLIGIBLE {
            break;
        }
        let at = at as f64;
        term *= at * (1.0 - share) / ((n - at + 1.0) * share);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(compared: u64, different: u64, expected: f64) {
        let found = share_max(compared, different).expect("something was compared");
        assert!(
            (found - expected).abs() < 5e-5,
            "{found} for {different} of {compared}"
        );
    }

    // The expected values were found by bisection on the binomial sum with log-gamma in double precision, in Python.
    #[test]
    fn the_bound_is_that_of_clopper_and_pearson() {
        near(1, 0, 0.95);
        near(50, 0, 0.058_155);
        near(59, 0, 0.049_508);
        near(100, 0, 0.029_513);
        near(10, 1, 0.394_163);
        near(50, 1, 0.091_398);
        near(50, 5, 0.198_833);
        near(10, 9, 0.994_884);
        near(10, 10, 1.0);
        assert_eq!(share_max(0, 0), None);
    }

    #[test]
    fn three_over_the_number_is_a_good_rule_when_nothing_differs() {
        for compared in [30, 100, 1000, 1_000_000] {
            let rule = 3.0 / compared as f64;
            let bound = share_max(compared, 0).expect("something was compared");
            assert!(bound < rule && bound > rule * 0.94, "{bound} {rule}");
        }
    }

    #[test]
    fn large_numbers_are_no_harm() {
        let bound = share_max(1_000_000, 500_000).expect("something was compared");
        assert!((bound - 0.500_823).abs() < 1e-5, "{bound}");
        let bound = share_max(1_000_000, 999_999).expect("something was compared");
        assert!(bound > 0.999_999 && bound < 1.0, "{bound}");
    }
}
