//! How the tables of ML nodes read the project: the way from the spine to the features, and the queries of their yml.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::SchemaRef;
use chrono::NaiveDate;
use datafusion::execution::SessionState;

use super::build::{Node, wrong_layer};
use super::error::{At, GraphError};
use super::lint::lint;
use super::parse::{HORIZON, Moment, NIGHT, Parsed, parse};
use super::plan::plan_query;
use crate::nearest::nearest;
use crate::project::located::Located;
use crate::project::ml::{LABEL_COLUMN, MlNode, MlRole, NIGHT_COLUMN, VALUE_COLUMN};
use crate::project::model::{Materialized, Model};

/// The models between the spine and the features, these among them, each after those it reads. Run over the spine of
/// past nights, they give the features of those nights.
pub fn path<'a>(
    inputs: impl Fn(&str) -> Option<&'a BTreeSet<String>> + Copy,
    spine: &str,
    features: &str,
) -> Vec<String> {
    let mut walk = Walk { inputs, spine, reaches: BTreeMap::new(), order: Vec::new() };
    walk.visit(features);
    walk.order
}

struct Walk<'s, F> {
    inputs: F,
    spine: &'s str,
    reaches: BTreeMap<String, bool>,
    order: Vec<String>,
}

impl<'a, F: Fn(&str) -> Option<&'a BTreeSet<String>> + Copy> Walk<'_, F> {
    fn visit(&mut self, name: &str) -> bool {
        if name == self.spine {
            return true;
        }
        if let Some(known) = self.reaches.get(name) {
            return *known;
        }
        // A circle is reported where the models are put in order.
        self.reaches.insert(name.to_owned(), false);
        let Some(inputs) = (self.inputs)(name) else { return false };
        let mut reaches = false;
        for input in inputs {
            reaches |= self.visit(input);
        }
        if reaches {
            self.reaches.insert(name.to_owned(), true);
            self.order.push(name.to_owned());
        }
        reaches
    }
}

/// One query of an ML node's yml.
struct Query<'a> {
    node: &'a MlNode,
    key: &'static str,
    sql: Located<String>,
}

/// The condition of who is learnt from and scored.
const POPULATION: &str = "population";

impl<'a> Query<'a> {
    fn all(node: &'a MlNode) -> impl Iterator<Item = Self> {
        let spec = &node.spec;
        let value = spec.value.as_ref().and_then(|value| value.sql.as_ref());
        let named = [("label", Some(&spec.label)), ("horizon", spec.horizon.sql.as_ref()), ("value", value)];
        let named = named.into_iter().filter_map(move |(key, sql)| Some(Self { node, key, sql: sql?.clone() }));
        let population = spec.population.as_ref().map(|condition| {
            let (entity, features) = (spec.entity.as_str(), spec.features.as_str());
            let value = format!("select {entity} from {features} where ({}\n)", condition.as_str());
            Self { node, key: POPULATION, sql: Located { value, line: condition.line } }
        });
        named.chain(population)
    }

    fn at(&self) -> At {
        At::line(&self.node.file, self.sql.line)
    }

    fn parsed(&self) -> Result<Parsed, GraphError> {
        parse(&self.node.file, &self.sql).map_err(|error| self.wrong(&error))
    }

    /// A mistake without its place in the query's own text.
    fn wrong(&self, error: &GraphError) -> GraphError {
        let text = error.to_string();
        let message = text.strip_prefix(&format!("{}: ", error.at())).unwrap_or(&text).to_owned();
        self.says(message)
    }

    fn says(&self, message: String) -> GraphError {
        GraphError::MlQuery { at: self.at(), node: self.node.name.clone(), query: self.key, message }
    }

    /// The columns that it must give.
    fn wants(&self) -> Vec<&'a str> {
        let entity = self.node.spec.entity.as_str();
        match self.key {
            "label" => vec![entity, NIGHT_COLUMN, LABEL_COLUMN],
            "value" => vec![entity, VALUE_COLUMN],
            _ => Vec::new(),
        }
    }
}

/// Tables that a query of the yml reads, each one known.
fn query_inputs(query: &Query<'_>, known: &BTreeSet<String>, errors: &mut Vec<GraphError>) -> BTreeSet<String> {
    let parsed = match query.parsed() {
        Ok(parsed) => parsed,
        Err(error) => {
            errors.push(error);
            return BTreeSet::new();
        }
    };
    errors.extend(lint(&query.node.file, "ml", &parsed).iter().map(|error| query.wrong(error)));
    let parameters: &[&str] = match query.key {
        "label" => &[NIGHT, HORIZON],
        POPULATION => &[],
        _ => &[NIGHT],
    };
    for (parameter, _) in parsed.parameters.iter().filter(|(name, _)| !parameters.contains(&name.as_str())) {
        let advice = match parameters {
            [] => "a row's night is its column `night`".to_owned(),
            known => format!("use `{}`", known.join("` or `")),
        };
        errors.push(query.says(format!("there is no parameter `{parameter}` — {advice}")));
    }
    let features = query.node.spec.features.as_str();
    for table in parsed.inputs.keys().filter(|table| query.key == POPULATION && *table != features) {
        let message = format!("it reads `{table}` — a condition is on the columns of `{features}` alone");
        errors.push(query.says(message));
    }
    for (table, _) in &parsed.unqualified {
        errors.push(query.says(format!("table `{table}` has no layer — write `layer.name`")));
    }
    for table in parsed.inputs.keys() {
        if !known.contains(table) {
            let advice = match nearest(table, known.iter().map(String::as_str)) {
                Some(found) => format!("did you mean `{found}`?"),
                None => "read a table of the project".to_owned(),
            };
            errors.push(query.says(format!("there is no table `{table}` — {advice}")));
        } else if let Some(advice) = wrong_layer("ml", table) {
            errors.push(query.says(format!("it reads `{table}` — {advice}")));
        }
    }
    let spine = query.node.spec.spine.as_str();
    if query.key == "label" && !parsed.inputs.contains_key(spine) {
        let message =
            format!("it does not read the spine `{spine}` — join it, so that a label is known for each of its rows");
        errors.push(query.says(message));
    }
    parsed.inputs.into_keys().collect()
}

/// Adds to the nodes of ML tables what they read beyond what stands for them, and refuses what cannot be learnt from.
pub(super) fn connect(
    nodes: &mut BTreeMap<&str, Node>,
    models: &BTreeMap<String, Model>,
    errors: &mut Vec<GraphError>,
) {
    let known: BTreeSet<String> = models.keys().cloned().collect();
    let inputs: BTreeMap<String, BTreeSet<String>> =
        nodes.values().map(|node| (node.name.clone(), node.inputs.clone())).collect();
    for model in models.values() {
        let mut read = BTreeSet::new();
        match &model.ml {
            Some(MlRole::Training(ml)) => {
                for query in Query::all(ml).filter(|query| query.key != "value") {
                    read.extend(query_inputs(&query, &known, errors));
                }
                read.extend(over_the_spine(ml, &inputs, models, errors));
            }
            Some(MlRole::Scores(ml)) => {
                for query in Query::all(ml).filter(|query| query.key == "value") {
                    read.extend(query_inputs(&query, &known, errors));
                }
                read.insert(ml.spec.spine.value.clone());
                let column = ml.spec.value.as_ref().and_then(|value| value.column.as_ref());
                read.extend(column.and_then(|column| column.rsplit_once('.')).map(|(table, _)| table.to_owned()));
            }
            Some(MlRole::Outcomes(all)) => {
                for query in all.iter().flat_map(|ml| Query::all(ml)).filter(|query| query.key == "label") {
                    // Its mistakes are the training table's.
                    let labels = query.parsed().map(|parsed| parsed.inputs);
                    read.extend(labels.into_iter().flatten().map(|(table, _)| table));
                }
            }
            Some(MlRole::Report(_)) | None => continue,
        }
        if let Some(node) = nodes.get_mut(model.name.as_str()) {
            node.inputs.extend(read.into_iter().filter(|table| known.contains(table)));
        }
    }
}

/// What the models from the spine to the features read beside each other; each of them a function of the row's night.
fn over_the_spine(
    ml: &MlNode,
    inputs: &BTreeMap<String, BTreeSet<String>>,
    models: &BTreeMap<String, Model>,
    errors: &mut Vec<GraphError>,
) -> BTreeSet<String> {
    let (spine, features) = (&ml.spec.spine, &ml.spec.features);
    let path = path(|name| inputs.get(name), spine, features);
    let mut read = BTreeSet::from([spine.value.clone(), features.value.clone()]);
    read.extend(inputs.get(spine.as_str()).into_iter().flatten().cloned());
    if path.is_empty() {
        let at = At::line(&ml.file, features.line);
        let (features, spine) = (features.value.clone(), spine.value.clone());
        errors.push(GraphError::NotOverSpine { at, features, spine });
    }
    for model in path.iter().filter_map(|name| models.get(name)) {
        read.extend(inputs.get(&model.name).into_iter().flatten().cloned());
        if !matches!(model.spec.materialized, Materialized::Table | Materialized::View) {
            errors.push(GraphError::FeaturesKept {
                at: At::line(&model.yml_file, 1),
                model: model.name.clone(),
                materialized: model.spec.materialized.word(),
                node: ml.name.clone(),
            });
        }
        let Ok(parsed) = parse(&model.sql_file, &model.sql) else { continue };
        if let Some((_, span)) = parsed.parameters.first() {
            let at = At::span(&model.sql_file, *span);
            let (model, spine) = (model.name.clone(), spine.value.clone());
            errors.push(GraphError::FeaturesOfTonight { at, model, spine, node: ml.name.clone() });
        }
    }
    read
}

/// The queries of ML nodes, planned before anything runs.
pub(super) async fn query_errors(
    state: &SessionState,
    nodes: impl Iterator<Item = &MlNode>,
    schemas: &BTreeMap<String, SchemaRef>,
    night: NaiveDate,
) -> Vec<GraphError> {
    let mut errors = Vec::new();
    for query in nodes.flat_map(Query::all) {
        let Ok(parsed) = query.parsed() else { continue };
        if parsed.inputs.keys().any(|table| !schemas.contains_key(table)) {
            continue;
        }
        let moment = Moment { horizon: Some(1), ..Moment::from(night) };
        let plan = match plan_query(state, &parsed, moment).await {
            Ok(plan) => plan,
            Err(error) => {
                errors.push(query.says(error.strip_backtrace()));
                continue;
            }
        };
        let fields = plan.schema().fields();
        let given: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
        for wanted in query.wants().into_iter().filter(|wanted| !given.contains(wanted)) {
            let message = format!("it gives no column `{wanted}`, only {} — select it", given.join(", "));
            errors.push(query.says(message));
        }
        let whole = fields.iter().all(|field| field.data_type().is_integer());
        if query.key == "horizon" && (given.len() != 1 || !whole) {
            errors.push(query.says("it must give one column, a whole number of days".to_owned()));
        }
        let label = fields.iter().find(|field| query.key == "label" && field.name() == LABEL_COLUMN);
        if let Some(label) = label.map(|label| label.data_type())
            && !(label.is_numeric() || *label == arrow::datatypes::DataType::Boolean)
        {
            errors.push(query.says(format!("`{LABEL_COLUMN}` is {label} — make it a number, or BOOLEAN")));
        }
    }
    errors
}
