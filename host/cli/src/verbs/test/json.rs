//! Values of TOML as values of JSON: so arguments and results can be written in a file of cases.

use serde_json::Value as Json;
use toml::de::DeValue;

/// A value of TOML as JSON has it.
pub(super) fn json(value: &DeValue<'_>) -> Json {
    match value {
        DeValue::String(text) => Json::from(&**text),
        DeValue::Integer(number) => {
            let number = i128::from_str_radix(number.as_str(), number.radix()).ok();
            let small = number.and_then(|number| i64::try_from(number).ok());
            let large = number.and_then(|number| u64::try_from(number).ok());
            small.map(Json::from).or(large.map(Json::from)).into()
        }
        DeValue::Float(number) => number.as_str().parse::<f64>().ok().into(),
        DeValue::Boolean(value) => Json::from(*value),
        DeValue::Datetime(time) => Json::from(time.to_string()),
        DeValue::Array(items) => items.iter().map(|item| json(item.get_ref())).collect(),
        DeValue::Table(table) => {
            let fields = table.iter().map(|(key, value)| {
                let name = key.get_ref().to_string();
                (name, json(value.get_ref()))
            });
            Json::Object(fields.collect())
        }
    }
}
