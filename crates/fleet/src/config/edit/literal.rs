//! Values for keys, as the caller gives them and as TOML writes them.

use toml_edit::{Array, Value};

/// A value of a key.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// Text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// A number with a fraction.
    Decimal(f64),
    /// `true` or `false`.
    Flag(bool),
    /// A list of texts.
    List(Vec<String>),
}

impl Literal {
    /// The number, if the text is one; else the text, which the key's own rule then rejects.
    pub fn number(text: &str) -> Literal {
        let decimal = || text.parse().map(Literal::Decimal).ok();
        let number = text.parse().map(Literal::Number).ok().or_else(decimal);
        number.unwrap_or_else(|| Literal::Text(text.to_owned()))
    }

    pub(super) fn value(&self) -> Value {
        match self {
            Literal::Text(text) => Value::from(text.as_str()),
            Literal::Number(number) => Value::from(*number),
            Literal::Decimal(number) => Value::from(*number),
            Literal::Flag(flag) => Value::from(*flag),
            Literal::List(items) => Value::Array(items.iter().map(String::as_str).collect::<Array>()),
        }
    }
}

/// Whether two values are equal, regardless of their spelling.
pub(super) fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::String(one), Value::String(other)) => one.value() == other.value(),
        (Value::Integer(one), Value::Integer(other)) => one.value() == other.value(),
        (Value::Float(one), Value::Float(other)) => one.value() == other.value(),
        (Value::Boolean(one), Value::Boolean(other)) => one.value() == other.value(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same(one, other))
        }
        _ => false,
    }
}
