//! One batch: what goes into it, the call, and what comes of it.

use std::sync::Arc;

use flowstone_core::{Fingerprint, StateArgument, Type, Value, decode, encode};

use super::{Batch, Walk};
use crate::answer::row;
use crate::batch::Halt;
use crate::fold::Element;

/// How the failure of a batch is told for the batches after it.
const EARLIER: &str = "an earlier batch of its group failed: ";

impl Walk<'_> {
    /// What goes into a batch: the state, and the members with their keys.
    pub(in crate::fold) fn print(&self, batch: &Batch, state: Option<&Element>) -> Fingerprint {
        let mut hasher = blake3::Hasher::new_derive_key("flowstone 2026 batch with state");
        let mut put = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        match state {
            None => put(b"none"),
            Some(Element::Failed { .. }) => put(b"failed"),
            Some(Element::Value { value }) => {
                let mut encoding = vec![1];
                encode(value, self.state, &mut encoding);
                put(&encoding);
            }
        }
        let read = self.arguments.iter().filter_map(|argument| match argument {
            StateArgument::Members(column) => Some(*column),
            StateArgument::State | StateArgument::Literal(_) => None,
        });
        let read: Vec<usize> = read.collect();
        for (key, member) in batch.keys.iter().zip(&batch.members) {
            put(key);
            for &column in &read {
                let print = member
                    .columns
                    .get(column)
                    .map(|(print, _)| *print.as_bytes());
                put(&print.unwrap_or_default());
            }
        }
        Fingerprint::from_bytes(*hasher.finalize().as_bytes())
    }

    /// The state after a batch, and what was made of its members.
    pub(in crate::fold) fn call(
        &self,
        batch: &Batch,
        state: Option<Element>,
        print: &Fingerprint,
    ) -> Result<(Element, Vec<Element>), Halt> {
        let failed = |reason: String, retry: bool| {
            let failed = Element::Failed { reason, retry };
            (failed.clone(), vec![failed; batch.keys.len()])
        };
        let before = match state {
            None => None,
            Some(Element::Value { value }) => Some(Arc::new(value)),
            Some(Element::Failed { reason, .. }) if reason.starts_with(EARLIER) => {
                return Ok(failed(reason, false));
            }
            Some(Element::Failed { reason, .. }) => {
                return Ok(failed(format!("{EARLIER}{reason}"), false));
            }
        };
        let Some(arguments) = self.argument_values(batch, &Value::Option(before)) else {
            return Ok(failed(
                "what was published for it cannot be read".to_owned(),
                true,
            ));
        };
        Ok(
            match self
                .folding
                .call(self.group, &arguments, *print.as_bytes())?
            {
                Element::Failed { reason, retry } => failed(reason, retry),
                Element::Value { value } => match self.parts(&value, batch.keys.len()) {
                    Ok(parts) => parts,
                    Err(reason) => failed(reason, true),
                },
            },
        )
    }

    fn argument_values(&self, batch: &Batch, state: &Value) -> Option<Vec<Value>> {
        let types = &self.folding.fold.types;
        let arguments = self.arguments.iter().map(|argument| match argument {
            StateArgument::State => Some(state.clone()),
            StateArgument::Literal(value) => Some(value.clone()),
            StateArgument::Members(column) => {
                let ty = types.get(*column)?;
                let items = batch.members.iter().map(|member| {
                    let (_, encoding) = member.columns.get(*column)?;
                    decode(encoding, ty).ok()
                });
                Some(Value::list_of(ty, items.collect::<Option<_>>()?))
            }
        });
        arguments.collect()
    }

    /// Takes the result apart: the state, and one output per member.
    fn parts(&self, value: &Value, count: usize) -> Result<(Element, Vec<Element>), String> {
        let Value::Tuple(parts) = value else {
            return Err("it returned no tuple".to_owned());
        };
        let [state, outputs] = &parts[..] else {
            return Err("it returned no pair".to_owned());
        };
        let ty = Type::List(Arc::new(self.output.clone()));
        let mut made = Vec::with_capacity(count);
        while let Some(value) = row(outputs, &ty, made.len()) {
            made.push(Element::Value { value });
        }
        if made.len() != count {
            return Err(format!(
                "it returned {} results for {count} rows",
                made.len()
            ));
        }
        let state = Element::Value {
            value: state.clone(),
        };
        Ok((state, made))
    }
}
