//! A component with a function for each shape of argument and result; the work itself is in `work.rs`.

mod work;

wit_bindgen::generate!({ world: "calls", path: "wit" });

struct Calls;

impl Guest for Calls {
    fn step(value: u32, by: u32) -> u32 {
        work::step(value, by)
    }

    fn words(text: String) -> u32 {
        work::words(&text)
    }

    fn halve(values: Vec<f32>) -> Vec<f32> {
        work::halve(values)
    }

    fn same(bytes: Vec<u8>) -> Vec<u8> {
        bytes
    }

    fn raise(place: Place) -> Place {
        Place {
            x: place.x + 1.0,
            y: place.y + 1.0,
            level: work::step(place.level, 1),
            ..place
        }
    }

    fn embed(texts: Vec<String>) -> Vec<Vec<f32>> {
        texts.iter().map(|text| work::embed(text)).collect()
    }
}

export!(Calls);
