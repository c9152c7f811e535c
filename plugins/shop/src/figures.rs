//! The figures, in plain numbers. Money is in cents.

/// What the offers of a company come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// How many there are.
    pub products: u32,
    /// The lowest.
    pub cheapest: u32,
    /// The mean, rounded down.
    pub mean: u32,
    /// The highest.
    pub dearest: u32,
}

/// What products are worth together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Worth {
    /// How many products.
    pub products: u64,
    /// How many pieces of them.
    pub pieces: u64,
    /// What all pieces cost.
    pub cents: u64,
}

/// How an offer stands beside the others of its company.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deal {
    /// More than a tenth below the mean.
    Cheap,
    /// Neither.
    Fair,
    /// More than a tenth above the mean.
    Dear,
}

/// The price less a discount in per cent, rounded down; a discount beyond 100 makes it free.
pub fn offer(price: u32, discount: u32) -> u32 {
    (u64::from(price) * u64::from(100_u32.saturating_sub(discount)) / 100) as u32
}

/// The figures of some offers; none of no offers.
pub fn stats(offers: &[u32]) -> Option<Stats> {
    let sum: u64 = offers.iter().map(|&offer| u64::from(offer)).sum();
    Some(Stats {
        products: offers.len() as u32,
        cheapest: *offers.iter().min()?,
        mean: sum.checked_div(offers.len() as u64)? as u32,
        dearest: *offers.iter().max()?,
    })
}

/// How an offer stands beside a mean.
pub fn deal(offer: u32, mean: u32) -> Deal {
    let (offer, mean) = (u64::from(offer) * 10, u64::from(mean));
    match offer {
        offer if offer < mean * 9 => Deal::Cheap,
        offer if offer > mean * 11 => Deal::Dear,
        _ => Deal::Fair,
    }
}

/// What one product is worth.
pub fn worth(offer: u32, pieces: u32) -> Worth {
    Worth {
        products: 1,
        pieces: pieces.into(),
        cents: u64::from(offer) * u64::from(pieces),
    }
}

/// What two lots are worth together. Sums wrap, so that any way of putting the brackets gives the same.
#[must_use]
pub fn add(a: Worth, b: Worth) -> Worth {
    Worth {
        products: a.products.wrapping_add(b.products),
        pieces: a.pieces.wrapping_add(b.pieces),
        cents: a.cents.wrapping_add(b.cents),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_discount_takes_off_and_never_adds() {
        assert_eq!(offer(1000, 15), 850);
        assert_eq!(offer(999, 0), 999);
        assert_eq!(offer(999, 300), 0);
        assert_eq!(offer(u32::MAX, 0), u32::MAX);
    }

    #[test]
    fn figures_are_those_of_all_offers() {
        let expected = Stats {
            products: 3,
            cheapest: 100,
            mean: 200,
            dearest: 300,
        };
        assert_eq!(stats(&[300, 100, 201]), Some(expected));
        assert_eq!(stats(&[]), None);
    }

    #[test]
    fn a_deal_is_a_tenth_below_or_above_the_mean() {
        assert_eq!(deal(89, 100), Deal::Cheap);
        assert_eq!([deal(90, 100), deal(110, 100)], [Deal::Fair, Deal::Fair]);
        assert_eq!(deal(111, 100), Deal::Dear);
    }

    #[test]
    fn sums_do_not_hang_on_brackets() {
        let lot = |cents| Worth {
            products: 1,
            pieces: 2,
            cents,
        };
        let left = add(add(lot(u64::MAX), lot(2)), lot(3));
        assert_eq!(left, add(lot(u64::MAX), add(lot(2), lot(3))));
    }
}
