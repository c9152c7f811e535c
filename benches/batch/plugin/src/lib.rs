//! Counting words: the work of every peer of this benchmark.

wit_bindgen::generate!({ world: "words", path: "wit" });

struct Words;

impl Guest for Words {
    fn word_count(text: String) -> u32 {
        text.split_whitespace().count() as u32
    }

    fn word_counts(text: Vec<String>) -> Vec<u32> {
        text.iter().map(|text| text.split_whitespace().count() as u32).collect()
    }
}

export!(Words);
