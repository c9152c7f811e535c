//! Transforms over rows that meet: offers, statistics, totals. Money is in cents.

pub use self::shop::*;

/// Rows that meet: products and the companies that make them. Money is in cents.
#[flowstone_sdk::plugin(package = "flowstone:shop")]
pub mod shop {
    /// What an offer takes from a company.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Company {
        /// What the company takes off, in per cent.
        pub discount: u32,
    }

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

    /// How an offer stands beside the company's others.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Deal {
        /// More than a tenth below the mean.
        Cheap,
        /// Neither.
        Fair,
        /// More than a tenth above the mean.
        Dear,
    }

    /// What a product is offered for: its price, less what its company takes off.
    pub fn offer(price: u32, company: Option<Company>) -> u32 {
        let discount = company.map_or(0, |company| company.discount.min(100));
        (u64::from(price) * u64::from(100 - discount) / 100) as u32
    }

    /// How many pieces there are; none where there are none.
    pub fn in_stock(pieces: u32) -> Option<u32> {
        (pieces > 0).then_some(pieces)
    }

    /// The figures of a company, from all its offers.
    ///
    /// # Errors
    ///
    /// When there are no offers.
    pub fn stats(offers: &[u32]) -> Result<Stats, String> {
        let (Some(cheapest), Some(dearest)) = (offers.iter().min(), offers.iter().max()) else {
            return Err("there are no offers".to_owned());
        };
        let sum: u64 = offers.iter().map(|&offer| u64::from(offer)).sum();
        Ok(Stats {
            products: offers.len() as u32,
            cheapest: *cheapest,
            mean: (sum / offers.len() as u64) as u32,
            dearest: *dearest,
        })
    }

    /// How an offer stands beside the mean of its company: a tenth below is cheap, a tenth above is dear.
    pub fn deal(offer: u32, stats: Option<Stats>) -> Deal {
        let Some(stats) = stats else {
            return Deal::Fair;
        };
        let (offer, mean) = (u64::from(offer) * 10, u64::from(stats.mean));
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

    /// What two lots of products are worth together: associative, since sums wrap.
    #[must_use]
    pub fn add(a: Worth, b: Worth) -> Worth {
        Worth {
            products: a.products.wrapping_add(b.products),
            pieces: a.pieces.wrapping_add(b.pieces),
            cents: a.cents.wrapping_add(b.cents),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_discount_takes_off_and_never_adds() {
        let offer = |price, discount| offer(price, Some(Company { discount }));
        assert_eq!(offer(1000, 15), 850);
        assert_eq!(offer(999, 0), 999);
        assert_eq!(offer(999, 300), 0);
        assert_eq!(super::offer(u32::MAX, None), u32::MAX);
    }

    #[test]
    fn figures_are_those_of_all_offers() {
        let expected = Stats {
            products: 3,
            cheapest: 100,
            mean: 200,
            dearest: 300,
        };
        assert_eq!(stats(&[300, 100, 201]), Ok(expected));
        assert!(stats(&[]).is_err());
    }

    #[test]
    fn a_deal_is_a_tenth_below_or_above_the_mean() {
        let stats = stats(&[100]).ok();
        assert_eq!(deal(89, stats), Deal::Cheap);
        assert_eq!([deal(90, stats), deal(110, stats)], [Deal::Fair; 2]);
        assert_eq!(deal(111, stats), Deal::Dear);
        assert_eq!(deal(111, None), Deal::Fair);
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
