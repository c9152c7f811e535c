//! What a flow says of remembering: how a transform's results are used, and what the store keeps.

use std::ops::Range;
use std::time::Duration;

use super::fields::Fields;
use super::grants::{Grants, read_grants};
use super::tree::{Entry, Kind, Located};
use crate::diagnostic::Diagnostic;
use crate::units::{parse_duration, parse_size};

/// What stands for the code of a plugin's functions in cache keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// The whole component: any change of its code is a change of all its functions.
    Component,
    /// For each function only the code that it can reach.
    Function,
}

/// Whether results of a transform are looked up and remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CacheMode {
    /// Looked up; called and remembered where nothing is found.
    #[default]
    Default,
    /// Called in every run, and remembered.
    Recompute,
    /// Called in every run; neither looked up nor remembered.
    Disable,
    /// Neither looked up nor remembered, and no part of the keys of what depends on it: for clients, loggers,
    /// credentials. Called when its row is worked on for another reason.
    Ignore,
}

/// How the results of a transform are remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheSettings {
    /// Whether they are looked up and remembered.
    pub mode: CacheMode,
    /// The name that stands for the code in the keys.
    pub pin: Option<String>,
    /// How old a remembered result may be.
    pub age_max: Option<Duration>,
}

/// How much the store keeps of what no row uses any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreSettings {
    /// The most bytes that all of it may take.
    pub bytes_max: Option<u64>,
    /// For how long unused results are kept.
    pub keep: Option<Duration>,
    /// Results that one of so many last runs used are kept whatever their age.
    pub keep_runs: Option<u32>,
}

pub(super) fn read_store(root: &mut Fields<'_, '_>) -> StoreSettings {
    let Some((entries, span)) = root.table("store") else {
        return StoreSettings::default();
    };
    let mut fields = root.nested("the store", span, entries);
    let settings = StoreSettings {
        bytes_max: fields.parsed("max-size", "a size such as \"2GiB\"", parse_size),
        keep: fields.parsed("keep", "a duration such as \"30d\"", parse_duration),
        keep_runs: fields.count("keep-runs"),
    };
    fields.finish();
    settings
}

pub(super) fn read_identity(fields: &mut Fields<'_, '_>) -> Option<Identity> {
    fields.parsed(
        "identity",
        "\"component\" or \"function\"",
        |text| match text {
            "component" => Some(Identity::Component),
            "function" => Some(Identity::Function),
            _ => None,
        },
    )
}

/// The `cache` and `grants` of a transform, and the place of its pin.
pub(super) fn read_cache(
    name: &Located<String>,
    fields: &mut Fields<'_, '_>,
) -> (CacheSettings, Grants, Option<Range<usize>>) {
    let grants = read_grants(fields);
    let mut settings = CacheSettings::default();
    let mut place = name.span.clone();
    let mut pin_place = None;
    if let Some((entries, span)) = fields.table("cache") {
        place = span.clone();
        let owner = format!("the cache of {}", fields.owner());
        let mut cache = fields.nested(&owner, span, entries);
        settings = read_settings(&mut cache);
        cache.finish();
        let pin = entries.iter().find(|entry| entry.key.value == "pin");
        if let Some(pin) = pin {
            pin_fault(pin, fields);
            pin_place = Some(pin.value.span.clone());
        }
    }
    check(&settings, &grants, &place, fields);
    (settings, grants, pin_place)
}

fn read_settings(cache: &mut Fields<'_, '_>) -> CacheSettings {
    let expected = "\"default\", \"recompute\", \"disable\" or \"ignore\"";
    let mode = cache.parsed("mode", expected, |text| match text {
        "default" => Some(CacheMode::Default),
        "recompute" => Some(CacheMode::Recompute),
        "disable" => Some(CacheMode::Disable),
        "ignore" => Some(CacheMode::Ignore),
        _ => None,
    });
    CacheSettings {
        mode: mode.unwrap_or_default(),
        pin: cache.str("pin").map(|pin| pin.value),
        age_max: cache.parsed("max-age", "a duration such as \"1d\"", parse_duration),
    }
}

/// The most bytes of a pin's name.
const PIN_BYTES_MAX: usize = 200;

/// Whether a pin can have this name.
pub fn is_pin_name(name: &str) -> bool {
    (1..=PIN_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control)
}

fn pin_fault(pin: &Entry, fields: &mut Fields<'_, '_>) {
    if let Kind::Str(name) = &pin.value.value
        && !is_pin_name(name)
    {
        let message = "a pin's name has 1 to 200 bytes and no control characters";
        fields.fault(Diagnostic::at(&pin.value.span, message));
    }
}

/// Refuses settings that contradict each other.
fn check(
    settings: &CacheSettings,
    grants: &Grants,
    place: &Range<usize>,
    fields: &mut Fields<'_, '_>,
) {
    let remembers = matches!(settings.mode, CacheMode::Default | CacheMode::Recompute);
    let owner = fields.owner().to_owned();
    if !remembers && settings.pin.is_some() {
        let message = format!("{owner} has a pin, and a mode that remembers nothing");
        fields.fault(Diagnostic::at(place, message).help("drop the pin, or the mode"));
    }
    if !remembers && settings.age_max.is_some() {
        let message = format!("{owner} has a `max-age`, and a mode that remembers nothing");
        fields.fault(Diagnostic::at(place, message).help("drop `max-age`, or the mode"));
    }
    // What is made anew in every run is never too old.
    let ages = settings.mode == CacheMode::Default;
    if ages && grants.is_impure() && settings.age_max.is_none() {
        let message = format!(
            "{owner} is granted {}, so its results hang on more than its arguments",
            grants.impure_names().join(" and ")
        );
        fields.fault(Diagnostic::at(place, message).help(
            "say how old a remembered result may be: `cache = { max-age = \"1d\" }`, or remember none: \
             `cache = { mode = \"disable\" }`",
        ));
    }
}
