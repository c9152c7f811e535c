//! Reads the structs and enums that the functions of a module use, as the records, variants and enums of WIT.

use syn::{Error, Fields, Item, ItemEnum, ItemStruct, Result, Visibility};

use crate::model::{Defined, Kind, Member, Type};
use crate::names;
use crate::reading::{Faults, Taken, docs, unconditional};
use crate::types::{Types, text};

/// The types that the functions use, and those that these use, in the order of their first use.
pub(crate) fn defined(types: &Types<'_>, faults: &mut Faults) -> Vec<Defined> {
    let (mut defined, mut taken) = (Vec::new(), Taken::default());
    let mut at = 0;
    while let Some(item) = types.used(at) {
        at += 1;
        let read = match item {
            Item::Struct(this) => record(this, types),
            Item::Enum(this) => variant(this, types),
            _ => continue,
        };
        let Some(read) = faults.take(read) else {
            continue;
        };
        let free = taken.take("type", &read.ident, &read.name);
        faults.take(free);
        defined.push(read);
    }
    let circle = defined
        .iter()
        .find(|this| reaches(this, &defined, &this.name, &mut vec![false; defined.len()]));
    if let Some(this) = circle {
        let message = format!(
            "`{}` contains itself, and WIT has no recursive types: flatten it, say into a list of records with the \
             number of the parent",
            this.ident
        );
        faults.add(Error::new(this.ident.span(), message));
    }
    defined
}

/// Whether a type has one of this name in it, at any depth.
fn reaches(from: &Defined, all: &[Defined], name: &str, seen: &mut [bool]) -> bool {
    let mut inner = Vec::new();
    for member in from.kind.members() {
        if let Some(ty) = &member.ty {
            ty.named(&mut inner);
        }
    }
    inner.iter().any(|found| {
        if *found == name {
            return true;
        }
        match all.iter().position(|this| this.name == *found) {
            Some(at) if !seen[at] => {
                seen[at] = true;
                reaches(&all[at], all, name, seen)
            }
            _ => false,
        }
    })
}

fn record(this: &ItemStruct, types: &Types<'_>) -> Result<Defined> {
    let Fields::Named(fields) = &this.fields else {
        let message = format!(
            "a record has named fields: write `struct {} {{ pub name: Type }}`",
            this.ident
        );
        return Err(Error::new(this.ident.span(), message));
    };
    if fields.named.is_empty() {
        return Err(Error::new(
            this.ident.span(),
            "a record has at least one field",
        ));
    }
    let (mut faults, mut members, mut taken) = (Faults::default(), Vec::new(), Taken::default());
    for field in &fields.named {
        let Some(ident) = &field.ident else { continue };
        if !matches!(field.vis, Visibility::Public(_)) {
            let message = format!("all fields of a record are seen in flows: write `pub {ident}`");
            faults.add(Error::new(ident.span(), message));
        }
        let read = names::field(ident).and_then(|name| {
            unconditional(&field.attrs)?;
            taken.take("field", ident, &name)?;
            Ok((name, types.read(&field.ty)?))
        });
        members.extend(faults.take(read).map(|(name, ty)| Member {
            docs: docs(&field.attrs),
            ident: ident.clone(),
            name,
            ty: Some(ty),
        }));
    }
    faults.end()?;
    Ok(Defined {
        docs: docs(&this.attrs),
        ident: this.ident.clone(),
        name: names::kebab(&this.ident)?,
        kind: Kind::Record(members),
    })
}

fn variant(this: &ItemEnum, types: &Types<'_>) -> Result<Defined> {
    if this.variants.is_empty() {
        return Err(Error::new(
            this.ident.span(),
            "an enum has at least one case",
        ));
    }
    let (mut faults, mut members, mut taken) = (Faults::default(), Vec::new(), Taken::default());
    for case in &this.variants {
        if let Some((_, number)) = &case.discriminant {
            let message = "the cases of an enum are numbered from 0 on: leave the number out";
            faults.add(Error::new_spanned(number, message));
        }
        let read = names::case(&case.ident).and_then(|name| {
            unconditional(&case.attrs)?;
            taken.take("case", &case.ident, &name)?;
            Ok((name, carried(case, types)?))
        });
        members.extend(faults.take(read).map(|(name, ty)| Member {
            docs: docs(&case.attrs),
            ident: case.ident.clone(),
            name,
            ty,
        }));
    }
    faults.end()?;
    let plain = members.iter().all(|case| case.ty.is_none());
    Ok(Defined {
        docs: docs(&this.attrs),
        ident: this.ident.clone(),
        name: names::kebab(&this.ident)?,
        kind: if plain {
            Kind::Enum(members)
        } else {
            Kind::Variant(members)
        },
    })
}

/// What a case carries.
fn carried(case: &syn::Variant, types: &Types<'_>) -> Result<Option<Type>> {
    let ident = &case.ident;
    match &case.fields {
        Fields::Unit => Ok(None),
        Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
            types.read(&fields.unnamed[0].ty).map(Some)
        }
        Fields::Unnamed(fields) if fields.unnamed.is_empty() => Err(Error::new(
            ident.span(),
            format!("this case carries nothing: write `{ident}`"),
        )),
        Fields::Unnamed(fields) => {
            let inner = fields
                .unnamed
                .iter()
                .map(|field| text(&field.ty))
                .collect::<Vec<_>>();
            let message = format!(
                "a case carries one value: write `{ident}(({}))`",
                inner.join(", ")
            );
            Err(Error::new(ident.span(), message))
        }
        Fields::Named(_) => {
            let message = format!(
                "a case carries one value: make its fields a struct, and write `{ident}(TheStruct)`"
            );
            Err(Error::new(ident.span(), message))
        }
    }
}
