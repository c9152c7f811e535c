//! Counting words: the work of every peer of this benchmark.

#[path = "../../count.rs"]
mod count;

wit_bindgen::generate!({ world: "words", path: "wit" });

struct Words;

impl Guest for Words {
    fn word_count(text: String) -> u32 {
        count::words(&text)
    }

    fn word_counts(text: Vec<String>) -> Vec<u32> {
        text.iter().map(|text| count::words(text)).collect()
    }
}

export!(Words);
