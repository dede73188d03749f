//! A graph of ONNX while it is written: what is computed goes by names.

use super::proto::Message;

const DOUBLE: i64 = 11;
const INT64: i64 = 7;
const STRING: i64 = 8;
const ML: &str = "ai.onnx.ml";

/// What `AttributeProto.type` says of an attribute.
const OF_INTEGER: i64 = 2;
const OF_TEXT: i64 = 3;
const OF_TENSOR: i64 = 4;
const OF_INTEGERS: i64 = 7;
const OF_TEXTS: i64 = 8;

/// An attribute of an operator.
pub(super) enum Attribute {
    Integer(&'static str, i64),
    Text(&'static str, &'static str),
    Integers(&'static str, Vec<i64>),
    Texts(&'static str, Vec<String>),
    Doubles(&'static str, Vec<f64>),
}

impl Attribute {
    fn message(self) -> Message {
        let named = |name: &str, kind: i64| Message::default().text(1, name).integer(20, kind);
        match self {
            Self::Integer(name, value) => named(name, OF_INTEGER).integer(3, value),
            Self::Text(name, value) => named(name, OF_TEXT).text(4, value),
            Self::Integers(name, values) => named(name, OF_INTEGERS).integers(8, values),
            Self::Texts(name, values) => values.iter().fold(named(name, OF_TEXTS), |all, value| all.text(9, value)),
            Self::Doubles(name, values) => named(name, OF_TENSOR).message(5, doubles(name, &[values.len()], &values)),
        }
    }
}

fn doubles(name: &str, shape: &[usize], values: &[f64]) -> Message {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    tensor(name, shape, DOUBLE).bytes(9, &bytes)
}

fn tensor(name: &str, shape: &[usize], kind: i64) -> Message {
    Message::default().integers(1, shape.iter().map(|size| *size as i64)).integer(2, kind).text(8, name)
}

/// A named value of (rows, width).
fn value(name: &str, kind: i64) -> Message {
    let rows = Message::default().text(2, "rows");
    let width = Message::default().integer(1, 1);
    let shape = Message::default().messages(1, [rows, width]);
    let tensor = Message::default().integer(1, kind).message(2, shape);
    Message::default().text(1, name).message(2, Message::default().message(1, tensor))
}

/// Nodes, constants, inputs and outputs.
#[derive(Default)]
pub(super) struct Graph {
    nodes: Vec<Message>,
    constants: Vec<Message>,
    inputs: Vec<Message>,
    outputs: Vec<Message>,
    names: usize,
}

impl Graph {
    fn fresh(&mut self) -> String {
        self.names += 1;
        format!("~{}", self.names)
    }

    /// A column of numbers, (rows, 1).
    pub(super) fn number_input(&mut self, name: &str) {
        self.inputs.push(value(name, DOUBLE));
    }

    /// A column of text, (rows, 1).
    pub(super) fn text_input(&mut self, name: &str) {
        self.inputs.push(value(name, STRING));
    }

    /// Names what was computed, (rows, 1), as an output.
    pub(super) fn output(&mut self, name: &str, of: &str) {
        let node = Message::default().text(1, of).text(2, name).text(4, "Identity");
        self.nodes.push(node);
        self.outputs.push(value(name, DOUBLE));
    }

    /// A tensor of numbers.
    pub(super) fn constant(&mut self, shape: &[usize], values: &[f64]) -> String {
        let name = self.fresh();
        self.constants.push(doubles(&name, shape, values));
        name
    }

    /// One number.
    pub(super) fn scalar(&mut self, value: f64) -> String {
        self.constant(&[1, 1], &[value])
    }

    /// A list of whole numbers.
    pub(super) fn integers(&mut self, values: &[i64]) -> String {
        let name = self.fresh();
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constants.push(tensor(&name, &[values.len()], INT64).bytes(9, &bytes));
        name
    }

    /// An operator of one output.
    pub(super) fn op(&mut self, kind: &str, inputs: &[&str], attributes: Vec<Attribute>) -> String {
        self.node(kind, "", inputs, attributes)
    }

    /// An operator of `ai.onnx.ml`.
    pub(super) fn ml(&mut self, kind: &str, inputs: &[&str], attributes: Vec<Attribute>) -> String {
        self.node(kind, ML, inputs, attributes)
    }

    fn node(&mut self, kind: &str, domain: &str, inputs: &[&str], attributes: Vec<Attribute>) -> String {
        let name = self.fresh();
        let node = inputs.iter().fold(Message::default(), |node, input| node.text(1, input));
        let node = node.text(2, &name).text(4, kind).messages(5, attributes.into_iter().map(Attribute::message));
        self.nodes.push(if domain.is_empty() { node } else { node.text(7, domain) });
        name
    }

    pub(super) fn cast(&mut self, of: &str) -> String {
        self.op("Cast", &[of], vec![Attribute::Integer("to", DOUBLE)])
    }

    /// `a x b` and the like with one number.
    pub(super) fn with(&mut self, kind: &str, of: &str, number: f64) -> String {
        let number = self.scalar(number);
        self.op(kind, &[of, &number], vec![])
    }

    /// Held within two numbers.
    pub(super) fn within(&mut self, of: &str, low: f64, high: f64) -> String {
        let raised = self.with("Max", of, low);
        self.with("Min", &raised, high)
    }

    /// ln p and ln(1 - p) of a probability held off 0 and 1.
    pub(super) fn logarithms(&mut self, p: &str, nearest: f64) -> (String, String) {
        let p = self.within(p, nearest, 1.0 - nearest);
        let one = self.scalar(1.0);
        let rest = self.op("Sub", &[&one, &p], vec![]);
        (self.op("Log", &[&p], vec![]), self.op("Log", &[&rest], vec![]))
    }

    /// The whole as `ModelProto`.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        let graph = Message::default()
            .messages(1, self.nodes)
            .text(2, "model")
            .messages(5, self.constants)
            .messages(11, self.inputs)
            .messages(12, self.outputs);
        let domain = |name: &str, version: i64| Message::default().text(1, name).integer(2, version);
        Message::default()
            .integer(1, IR_VERSION)
            .text(2, "buho")
            .message(7, graph)
            .messages(8, [domain("", OPERATORS), domain(ML, ML_OPERATORS)])
            .into_bytes()
    }
}

const IR_VERSION: i64 = 8;
const OPERATORS: i64 = 15;
const ML_OPERATORS: i64 = 3;
