//! Fixed-point percentages.
//!
//! Neither 0 % nor 100 % is shown for what is only near: a snapshot that is almost full is not full.

/// A percentage in steps of a millionth of a percent, or one of two special values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percent(pub i32);

impl Percent {
    /// Exactly 0 %.
    pub const ZERO: Self = Self(0);
    /// 1 %.
    pub const ONE: Self = Self(1_000_000);
    /// Exactly 100 %.
    pub const HUNDRED: Self = Self(100_000_000);
    /// There is no percentage, as for an invalid snapshot.
    pub const INVALID: Self = Self(-1);
    /// There is none since something failed, as a merge.
    pub const FAILED: Self = Self(-2);

    /// `numerator / denominator`. 0 % only for 0, 100 % only for equal numbers (and for a denominator of 0).
    #[must_use]
    pub fn of(numerator: u64, denominator: u64) -> Self {
        if denominator == 0 || numerator == denominator {
            return Self::HUNDRED;
        }
        if numerator == 0 {
            return Self::ZERO;
        }
        #[expect(clippy::cast_precision_loss, reason = "the format's own precision")]
        let ratio = numerator as f64 / denominator as f64;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "cut to steps; what is out of range is cut to the limit"
        )]
        let steps = (f64::from(Self::HUNDRED.0) * ratio) as i32;
        Self(match steps {
            0 => 1,
            steps if steps == Self::HUNDRED.0 => steps - 1,
            steps => steps,
        })
    }

    /// The percentage as a number, in single precision.
    #[must_use]
    pub fn to_float(self) -> f32 {
        // Adding 0 turns -0 into 0.
        self.single() / Self::ONE.single() + 0.0
    }

    /// As [`Percent::to_float`], but with so many decimals shown what is not 0 % or 100 % is not rounded to it.
    #[must_use]
    pub fn to_round_float(self, digits: u32) -> f32 {
        const POWERS: [f32; 11] = [1e0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10];
        let step = POWERS[(digits as usize).min(POWERS.len() - 1)];
        let steps = step * Self::ONE.single();
        let value = self.single();
        if value > 0.0 && value < steps {
            step
        } else if self < Self::HUNDRED && value > Self::HUNDRED.single() - steps {
            100.0 - step
        } else {
            self.to_float()
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "the C library compares in single precision too"
    )]
    fn single(self) -> f32 {
        self.0 as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios() {
        for (n, d, want) in [
            (1, 3, 33_333_333),
            (2, 3, 66_666_666),
            (1, u64::MAX, 1),
            (u64::MAX - 1, u64::MAX, 99_999_999),
            (999_999, 1_000_000, 99_999_900),
            (3, 2, 150_000_000),
            (0, 0, 100_000_000),
            (5, 0, 100_000_000),
            (0, 5, 0),
            (100, 100, 100_000_000),
            (u64::MAX, 1, i32::MAX),
        ] {
            assert_eq!(Percent::of(n, d), Percent(want), "{n}/{d}");
        }
    }

    #[test]
    fn numbers() {
        for (p, float, rounded) in [
            (1, "0.000001", ["1", "0.1", "0.01", "0.001"]),
            (9_999, "0.009999", ["1", "0.1", "0.01", "0.009999"]),
            (99_990_001, "99.99", ["99", "99.9", "99.99", "99.99"]),
            (99_999_999, "100", ["99", "99.9", "99.99", "99.999"]),
            (100_000_000, "100", ["100"; 4]),
            (-1, "-0.000001", ["-0.000001"; 4]),
            (12_345_678, "12.345678", ["12.345678"; 4]),
            (0, "0", ["0"; 4]),
        ] {
            assert_eq!(Percent(p).to_float().to_string(), float, "{p}");
            for (digits, want) in (0..).zip(rounded) {
                assert_eq!(Percent(p).to_round_float(digits).to_string(), want, "{p} to {digits}");
            }
        }
        assert!(Percent(0).to_float().is_sign_positive());
        assert_eq!(format!("{:.2}", Percent::of(1, 1_000_000).to_round_float(2)), "0.01");
    }
}
