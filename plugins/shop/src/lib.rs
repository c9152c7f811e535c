//! Transforms over rows that meet: offers, statistics, totals. Money is in cents.
//!
//! This file is only the WIT face of the plugin (`wit/world.wit`); the functions themselves are in `figures`.

mod figures;

pub use figures::{Deal, Stats, Worth, add, deal, offer, stats, worth};

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
    wit_bindgen::generate!({ world: "shop", path: "wit" });
    // Not in native builds: two plugins in one test binary would export the same names.
    #[cfg(target_family = "wasm")]
    export!(Plugin with_types_in self);
    #[cfg(target_family = "wasm")]
    use super::Plugin;
}

#[cfg_attr(
    not(target_family = "wasm"),
    expect(dead_code, reason = "exported only from a component")
)]
struct Plugin;

impl world::Guest for Plugin {
    fn offer(price: u32, company: Option<world::Company>) -> u32 {
        offer(price, company.map_or(0, |company| company.discount))
    }

    fn in_stock(pieces: u32) -> Option<u32> {
        (pieces > 0).then_some(pieces)
    }

    fn stats(offers: Vec<u32>) -> Result<world::Stats, String> {
        let stats = stats(&offers).ok_or_else(|| "there are no offers".to_owned())?;
        Ok(world::Stats {
            products: stats.products,
            cheapest: stats.cheapest,
            mean: stats.mean,
            dearest: stats.dearest,
        })
    }

    fn deal(offer: u32, stats: Option<world::Stats>) -> world::Deal {
        match stats.map(|stats| deal(offer, stats.mean)) {
            Some(Deal::Cheap) => world::Deal::Cheap,
            Some(Deal::Dear) => world::Deal::Dear,
            Some(Deal::Fair) | None => world::Deal::Fair,
        }
    }

    fn worth(offer: u32, pieces: u32) -> world::Worth {
        worth(offer, pieces).into()
    }

    fn add(a: world::Worth, b: world::Worth) -> world::Worth {
        add(a.into(), b.into()).into()
    }
}

impl From<Worth> for world::Worth {
    fn from(worth: Worth) -> Self {
        Self {
            products: worth.products,
            pieces: worth.pieces,
            cents: worth.cents,
        }
    }
}

impl From<world::Worth> for Worth {
    fn from(worth: world::Worth) -> Self {
        Self {
            products: worth.products,
            pieces: worth.pieces,
            cents: worth.cents,
        }
    }
}
