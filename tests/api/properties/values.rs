//! Values that a schema allows or forbids: at its bounds, next to them, and strings of every kind.

use serde_json::{Map, Value, json};

use super::resources::Property;

/// One string of each kind that a program may treat specially.
const TEXTS: [&str; 20] = [
    "plain text",
    "UPPER and lower",
    "  spaces around  ",
    "\ttab, line\nfeed, return\r",
    "\u{0}NUL at the start, and in\u{0}side",
    "\u{1}\u{8}\u{b}\u{1b}[31m\u{7f}\u{85}\u{9f} controls",
    "quotes \" ' ` and \\ \\u0041 \\n",
    "%00 %2e &amp; &lt; <b>bold</b> ${x} {{x}} ;--",
    "e\u{301}\u{323} decomposed, \u{e9} composed",
    "a\u{300}\u{301}\u{302}\u{303}\u{304} many marks",
    "\u{5e9}\u{5dc}\u{5d5}\u{5dd} \u{645}\u{631}\u{62d}\u{628}\u{627} right to left",
    "\u{202e}overridden\u{202c} \u{2066}isolated\u{2069}",
    "\u{200b}\u{200d}\u{feff}nothing to be seen\u{ad}",
    "\u{2028}\u{2029}separators\u{a0}\u{3000}",
    "\u{1f600}\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}\u{1f1ea}\u{1f1fa} emoji",
    "\u{10000}\u{1d11e}\u{2a6d6}\u{10fffd} other planes",
    "\u{fffe}\u{ffff}\u{fdd0}\u{1ffff}\u{10ffff} noncharacters",
    "\u{d7ff}\u{e000}\u{fffd} next to the surrogates",
    "\u{130}\u{131}\u{df}\u{1e9e}\u{3c2} letter case",
    "null",
];

/// Generates values for the properties of one shop. No two emails are equal.
#[derive(Default)]
pub struct Samples {
    emails: usize,
}

impl Samples {
    /// Valid values of the property: all that its schema lists, or one of each kind.
    pub fn valid(&mut self, property: &Property) -> Vec<Value> {
        let schema = property.schema;
        let mut values: Vec<Value> = match schema["type"].as_str() {
            _ if schema["enum"].is_array() => schema["enum"].as_array().unwrap().clone(),
            // The ids in the sample shop.
            Some("integer") if property.is_reference => (1..=5).map(Value::from).collect(),
            Some("integer") => {
                let [least, most] = range(property);
                [least, least + 1, most - 1, most].map(Value::from).into()
            }
            Some("string") if schema["format"] == "email" => self.emails(property),
            Some("string") => strings(property),
            kind => panic!("a property of type {kind:?}"),
        };
        if schema["nullable"] == true {
            // In the middle, because the changes from a value to null and back are also tested.
            values.insert(1, Value::Null);
        }
        values
    }

    /// Emails of the maximum length and of usual lengths.
    fn emails(&mut self, property: &Property) -> Vec<Value> {
        let longest = property.number("maxLength").unwrap();
        let local = ["UPPER.Case", "a+tag", "o'brien", "x_y-z", "1"];
        let mut emails: Vec<String> = local
            .iter()
            .map(|local| {
                self.emails += 1;
                format!("{local}{}@Example.com", self.emails)
            })
            .collect();
        for length in [longest - 1, longest] {
            self.emails += 1;
            emails.push(email(self.emails, length));
        }
        emails.into_iter().map(Value::from).collect()
    }

    /// A valid value other than this one.
    pub fn another(&mut self, property: &Property, than: &Value) -> Value {
        let mut values = self.valid(property).into_iter();
        values.find(|value| value != than).unwrap()
    }

    /// A body with the required properties.
    pub fn draft(&mut self, properties: &[Property]) -> Value {
        let required = properties.iter().filter(|property| property.is_required);
        let members =
            required.map(|property| (property.name.clone(), self.valid(property)[0].clone()));
        Value::Object(members.collect())
    }

    /// A body with all properties.
    pub fn whole_draft(&mut self, properties: &[Property]) -> Value {
        let members: Map<String, Value> = properties
            .iter()
            .map(|property| (property.name.clone(), self.valid(property)[0].clone()))
            .collect();
        members.into()
    }
}

/// An email of this length. The labels of a domain have at most 63 characters, the local part 64.
fn email(number: usize, length: i64) -> String {
    let mut domain = String::from("example.com");
    let local = format!("{number:064}");
    let length = usize::try_from(length).unwrap();
    while domain.len() + local.len() + 1 < length {
        let missing = length - domain.len() - local.len() - 1;
        // The shortest label takes two characters: a dot and one character.
        let label = match missing {
            1 => panic!("no email of {length} characters"),
            65 => 62,
            _ => (missing - 1).min(63),
        };
        domain = format!("{}.{domain}", "d".repeat(label));
    }
    format!("{local}@{domain}")
}

fn range(property: &Property) -> [i64; 2] {
    let bound = |keyword| property.number(keyword);
    [
        bound("minimum").unwrap_or(i64::MIN),
        bound("maximum").unwrap_or(i64::MAX),
    ]
}

/// The minimum and the maximum length.
fn lengths(property: &Property) -> [usize; 2] {
    let length = |keyword| {
        property
            .number(keyword)
            .and_then(|length| usize::try_from(length).ok())
    };
    [
        length("minLength").unwrap_or(0),
        length("maxLength").expect("the property has a maximum length"),
    ]
}

fn strings(property: &Property) -> Vec<Value> {
    let [least, most] = lengths(property);
    let texts = TEXTS.iter().map(|text| (*text).to_owned());
    let mut texts: Vec<String> = texts
        .filter(|text| (least..=most).contains(&text.chars().count()))
        .collect();
    for length in [least, least + 1, most - 1, most] {
        // Characters of one byte and of four bytes.
        texts.extend(["x", "\u{1f600}"].map(|character| character.repeat(length)));
    }
    texts.dedup();
    texts.into_iter().map(Value::from).collect()
}

/// Invalid values of the property: next to its bounds, and of other types.
pub fn invalid(property: &Property) -> Vec<Value> {
    let schema = property.schema;
    let mut values = vec![json!(true), json!(["x"]), json!({"x": "y"}), json!(1.5)];
    if schema["nullable"] != true {
        values.push(Value::Null);
    }
    match schema["type"].as_str() {
        Some("integer") => {
            let [least, most] = range(property);
            values.extend([
                json!(least - 1),
                json!(most + 1),
                json!("1"),
                json!(i64::MIN),
            ]);
        }
        _ if schema["enum"].is_array() => {
            let listed = schema["enum"][0].as_str().unwrap();
            values.extend(
                [listed.to_lowercase(), format!("{listed} "), String::new()].map(Value::from),
            );
            values.push(json!(0));
        }
        _ => {
            let [least, most] = lengths(property);
            values.push(json!(1));
            if schema["format"] == "email" {
                let most = i64::try_from(most).unwrap();
                values.extend([
                    json!(""),
                    json!("nobody"),
                    json!("@"),
                    json!(email(0, most + 1)),
                ]);
            } else {
                let long = ["x", "\u{1f600}"].map(|character| character.repeat(most + 1));
                values.extend(long.map(Value::from));
                if least > 0 {
                    values.push("\u{1f600}".repeat(least - 1).into());
                }
            }
        }
    }
    values
}

/// The JSON in ASCII: all other characters are escaped.
pub fn escaped(json: &str) -> String {
    let mut out = String::new();
    for character in json.chars() {
        if character.is_ascii() {
            out.push(character);
        } else {
            let units = character.encode_utf16(&mut [0; 2]).to_vec();
            out.extend(units.iter().map(|unit| format!("\\u{unit:04X}")));
        }
    }
    out
}
