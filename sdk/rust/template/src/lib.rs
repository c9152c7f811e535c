//! The functions of `wit/world.wit`: `Guest` has one for each.

wit_bindgen::generate!({ path: "wit" });

struct Plugin;

export!(Plugin);

impl Guest for Plugin {
    fn count(text: String) -> u32 {
        text.split_whitespace().count() as u32
    }

    // An `Err` is a reason for the person who runs the flow: the row fails with it.
    fn summary(text: String, words: u32) -> Result<String, String> {
        let all: Vec<_> = text.split_whitespace().take(words as usize).collect();
        if all.is_empty() {
            return Err("there are no words".to_owned());
        }
        Ok(all.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_counted() {
        assert_eq!(Plugin::count("one two  three".to_owned()), 3);
    }
}
