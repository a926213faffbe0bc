//! The description of a request about the keys of all members: which fields each action has.

use super::model::KeysRequest;
use std::borrow::Cow;
use utoipa::openapi::schema::{Object, ObjectBuilder, OneOfBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{RefOr, schema::AdditionalProperties};
use utoipa::{PartialSchema, ToSchema};

impl ToSchema for KeysRequest {
    fn name() -> Cow<'static, str> {
        "KeysRequest".into()
    }
}

impl PartialSchema for KeysRequest {
    fn schema() -> RefOr<Schema> {
        let actions = [
            action("list", "Tell what they hold.", &[]),
            action("install", "Open what is sealed with one key more.", &["key"]),
            action("use", "Seal with it.", &["fingerprint", "force"]),
            action("remove", "Open nothing of it any more.", &["fingerprint", "force", "revoke"]),
            action("rotate", "All three: install a new one, use it, remove the old one.", &["key"]),
        ];
        let about =
            "The body of `POST /v1/keys/everywhere`: what all live members are to do with their keys.";
        let one_of = actions.into_iter().fold(OneOfBuilder::new(), |one_of, action| one_of.item(action));
        RefOr::T(Schema::OneOf(one_of.description(Some(about)).build()))
    }
}

/// A request with this action. A field that the action does not have is missing, null or false.
fn action(name: &str, about: &str, fields: &[&str]) -> Object {
    let has = |field: &str| fields.contains(&field);
    let kind = ObjectBuilder::new().schema_type(Type::String).enum_values(Some([name]));
    let mut action = ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some(about))
        .property("action", kind)
        .required("action")
        .additional_properties(Some(AdditionalProperties::FreeForm(false)));
    for (field, pattern, about) in [
        (
            "key",
            "^([A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=|[0-9A-Fa-f]{64})$",
            "The key, as `rumormill keygen` prints it.",
        ),
        ("fingerprint", "^[0-9a-f]{16}$", "Which key."),
    ] {
        action = match has(field) {
            true => {
                let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern));
                action.property(field, text.description(Some(about))).required(field)
            }
            false => action.property(field, ObjectBuilder::new().schema_type(SchemaType::from(Type::Null))),
        };
    }
    for (field, about) in [
        ("force", "Although live members lack the key that is to be used, or some do not answer."),
        ("revoke", "Members that were away may not catch up by it."),
    ] {
        let switch = ObjectBuilder::new().schema_type(Type::Boolean);
        action = match has(field) {
            true => action.property(field, switch.description(Some(about))),
            false => action.property(field, switch.enum_values(Some([false]))),
        };
    }
    action.build()
}
