//! Transforms over rows that meet: offers, statistics, totals. Money is in cents.
//!
//! Each transform is a function on plain numbers; `wit/world.wit` says what they are for.

/// What wit-bindgen makes of the world.
#[allow(
    missing_docs,
    unreachable_pub,
    unsafe_code,
    unused_qualifications,
    clippy::all,
    clippy::pedantic
)]
mod world {
    wit_bindgen::generate!({ world: "shop", path: "wit", additional_derives: [PartialEq] });
    // Not in native builds: two plugins in one test binary would export the same names.
    #[cfg(target_family = "wasm")]
    export!(Plugin with_types_in self);
    #[cfg(target_family = "wasm")]
    use super::Plugin;
}

use world::{Company, Deal, Stats, Worth};

#[cfg_attr(
    not(target_family = "wasm"),
    expect(dead_code, reason = "exported only from a component")
)]
struct Plugin;

impl world::Guest for Plugin {
    fn offer(price: u32, company: Option<Company>) -> u32 {
        offer(price, company.map_or(0, |company| company.discount))
    }

    fn in_stock(pieces: u32) -> Option<u32> {
        (pieces > 0).then_some(pieces)
    }

    fn stats(offers: Vec<u32>) -> Result<Stats, String> {
        stats(&offers).ok_or_else(|| "there are no offers".to_owned())
    }

    fn deal(offer: u32, stats: Option<Stats>) -> Deal {
        stats.map_or(Deal::Fair, |stats| deal(offer, stats.mean))
    }

    fn worth(offer: u32, pieces: u32) -> Worth {
        Worth {
            products: 1,
            pieces: pieces.into(),
            cents: u64::from(offer) * u64::from(pieces),
        }
    }

    fn add(a: Worth, b: Worth) -> Worth {
        add(a, b)
    }
}

/// The price less a discount in per cent, rounded down; a discount beyond 100 makes it free.
fn offer(price: u32, discount: u32) -> u32 {
    (u64::from(price) * u64::from(100_u32.saturating_sub(discount)) / 100) as u32
}

fn stats(offers: &[u32]) -> Option<Stats> {
    let sum: u64 = offers.iter().map(|&offer| u64::from(offer)).sum();
    Some(Stats {
        products: offers.len() as u32,
        cheapest: *offers.iter().min()?,
        mean: sum.checked_div(offers.len() as u64)? as u32,
        dearest: *offers.iter().max()?,
    })
}

fn deal(offer: u32, mean: u32) -> Deal {
    let (offer, mean) = (u64::from(offer) * 10, u64::from(mean));
    match offer {
        offer if offer < mean * 9 => Deal::Cheap,
        offer if offer > mean * 11 => Deal::Dear,
        _ => Deal::Fair,
    }
}

/// Sums wrap, so that any way of putting the brackets gives the same.
fn add(a: Worth, b: Worth) -> Worth {
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
        let found = stats(&[300, 100, 201]);
        assert!(
            found
                == Some(Stats {
                    products: 3,
                    cheapest: 100,
                    mean: 200,
                    dearest: 300
                })
        );
        assert!(stats(&[]).is_none());
    }

    #[test]
    fn a_deal_is_a_tenth_below_or_above_the_mean() {
        assert!(deal(89, 100) == Deal::Cheap);
        assert!(deal(90, 100) == Deal::Fair && deal(110, 100) == Deal::Fair);
        assert!(deal(111, 100) == Deal::Dear);
    }

    #[test]
    fn sums_do_not_hang_on_brackets() {
        let worth = |cents| Worth {
            products: 1,
            pieces: 2,
            cents,
        };
        let left = add(add(worth(u64::MAX), worth(2)), worth(3));
        let right = add(worth(u64::MAX), add(worth(2), worth(3)));
        assert!(left == right);
    }
}
