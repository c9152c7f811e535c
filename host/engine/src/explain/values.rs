//! The values behind an explanation: of arguments that changed, and of code that changed, function by function.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;

use crate::relation::display_key;
use flowstone_core::{
    Argument, ComponentDigest, Fingerprint, FunctionDigest, ResultShape, Type, Value, decode,
    fingerprint, to_wave,
};
use flowstone_store::{MemoRecord, Outcome};

use super::{ChangedValue, ExplainedCall, Explainer};
use crate::answer::{encoding, row};
use crate::engine::Engine;
use crate::error::Error;
use crate::reason::Cause;

impl Engine {
    /// Finds the values of the arguments that changed.
    pub(super) fn add_values(
        &self,
        explainer: &Explainer<'_>,
        root: &[u8],
        calls: &mut [ExplainedCall],
        stop: &AtomicBool,
    ) -> Result<(), Error> {
        let stage = explainer.stage;
        let transform = &stage.transforms[explainer.transform];
        let label = display_key(&stage.source.kind, root);
        // The present values, from the row as it is now.
        self.survey_root(
            explainer.flow,
            &transform.name,
            &label,
            stop,
            &mut |surveyed| {
                let key = surveyed.key()?.map(|key| key.to_string());
                let Some(call) = calls
                    .iter_mut()
                    .find(|call| Some(&call.key) == key.as_ref())
                else {
                    return Ok(ControlFlow::Continue(()));
                };
                let values = surveyed.arguments()?;
                for cause in &call.causes {
                    let Cause::Argument {
                        parameter, column, ..
                    } = cause
                    else {
                        continue;
                    };
                    let params = &transform.function.params;
                    let position = params.iter().position(|param| param.name == *parameter);
                    let value = position.and_then(|at| values.as_ref().ok()?.get(at));
                    let to = value
                        .zip(position)
                        .map(|(value, at)| to_wave(value, &params[at].ty));
                    call.values.push(ChangedValue {
                        column: column.clone(),
                        from: None,
                        to,
                    });
                }
                Ok(ControlFlow::Continue(()))
            },
        )?;
        for call in calls {
            let changed = call.causes.iter().filter_map(|cause| match cause {
                Cause::Argument {
                    parameter, from, ..
                } => Some((parameter, from)),
                _ => None,
            });
            for ((parameter, from), value) in changed.zip(&mut call.values) {
                let params = transform.function.params.iter().zip(&transform.arguments);
                let mut named = params.filter(|(param, _)| param.name == *parameter);
                if let Some((param, Argument::Column(_))) = named.next() {
                    value.from = explainer.former_value(root, from, &param.ty)?;
                }
            }
        }
        Ok(())
    }

    /// Names the functions that differ between two builds, where both are kept.
    pub(super) fn add_functions(&self, causes: &mut [Cause]) -> Result<(), Error> {
        for cause in causes {
            let Cause::Code {
                builds: Some((from, to)),
                functions,
                ..
            } = cause
            else {
                continue;
            };
            let (Some(old), Some(new)) = (self.digests(from)?, self.digests(to)?) else {
                continue;
            };
            let differ = new
                .iter()
                .filter(|(name, digest)| old.get(*name) != Some(*digest));
            let gone = old.keys().filter(|name| !new.contains_key(*name));
            let mut names: Vec<String> =
                differ.map(|(name, _)| name).chain(gone).cloned().collect();
            names.sort_unstable();
            *functions = Some(names);
        }
        Ok(())
    }

    /// The digests of what the functions of a kept build can reach; none where it is not kept.
    fn digests(
        &self,
        digest: &ComponentDigest,
    ) -> Result<Option<BTreeMap<String, FunctionDigest>>, Error> {
        match self.store.build(digest)? {
            Some(bytes) => Ok(self.function_digests(&bytes, digest)?.ok()),
            None => Ok(None),
        }
    }
}

impl Explainer<'_> {
    /// The value with this fingerprint among the results that the row, or its former version, was made of.
    fn former_value(
        &self,
        root: &[u8],
        wanted: &Fingerprint,
        ty: &Type,
    ) -> Result<Option<String>, Error> {
        let (_, lineage) = self.lineage(root)?;
        for call in lineage.replaced.iter().chain(&lineage.calls) {
            let Some(record) = self.snapshot.memo(&call.key)? else {
                continue;
            };
            if let Some(text) = self.value_in(&record, wanted, ty)? {
                return Ok(Some(text));
            }
        }
        Ok(None)
    }

    /// The value with this fingerprint, if the result is it or has it as a part.
    fn value_in(
        &self,
        record: &MemoRecord,
        wanted: &Fingerprint,
        ty: &Type,
    ) -> Result<Option<String>, Error> {
        let Outcome::Value {
            fingerprint: whole,
            parts,
            stored,
        } = &record.outcome
        else {
            return Ok(None);
        };
        if whole != wanted && !parts.contains(wanted) {
            return Ok(None);
        }
        let function = self
            .recipes
            .get(record.recipe)
            .map(|known| &known.recipe.function);
        let shape = function.and_then(|function| ResultShape::of(function.result.as_ref()));
        let Some(shape) = shape else {
            return Ok(None);
        };
        let encoding = encoding(self.snapshot, whole, stored, &shape.value.fingerprint())?;
        let Some(value) = encoding.and_then(|bytes| decode(&bytes, &shape.value).ok()) else {
            return Ok(None);
        };
        let found = candidates(&value, &shape.value, parts.len());
        let print = ty.fingerprint();
        let is_wanted =
            |(value, of): &(Value, &Type)| *of == ty && fingerprint(value, ty, &print) == *wanted;
        let found = found.into_iter().find(is_wanted);
        Ok(found.map(|(value, _)| to_wave(&value, ty)))
    }
}

/// A result with its fields, or with its elements and their fields, each with its type.
fn candidates<'a>(value: &Value, ty: &'a Type, elements: usize) -> Vec<(Value, &'a Type)> {
    let mut found = vec![(value.clone(), ty)];
    if let Type::List(element) = ty {
        let items = (0..elements).map_while(|position| row(value, ty, position));
        found.extend(items.map(|item| (item, &**element)));
    }
    let mut fields = Vec::new();
    for (item, ty) in &found {
        if let (Value::Record(values), Some(types)) = (item, ty.fields()) {
            fields.extend(
                values
                    .iter()
                    .cloned()
                    .zip(types.iter().map(|field| &field.ty)),
            );
        }
    }
    found.extend(fields);
    found
}
