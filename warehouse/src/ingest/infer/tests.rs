//! Contracts that are right without a hand laid on them.

use object_store::path::Path;

use super::names::{canonical, pattern};
use super::*;
use crate::ingest::tests::support::{World, contract, date};
use crate::ingest::{LoadReport, discover, load, plan_deliveries};

async fn infer(files: &[(&str, &[u8])]) -> (World, Inferred) {
    let world = World::new();
    let mut found = Vec::new();
    for (path, content) in files {
        world.put(&format!("raw/{path}"), content).await;
        let location = Path::from(format!("raw/{path}"));
        found.push(RawFile::at(&*world.store, location, (*path).to_owned()).await.unwrap());
    }
    let inferred = infer_contract(Arc::clone(&world.store), "orders", &found).await.unwrap();
    (world, inferred)
}

/// Load what was inferred from, by the contract that was inferred.
async fn loaded(world: &World, inferred: &Inferred) -> LoadReport {
    let contract = contract(&inferred.yaml);
    let files = discover(&*world.store, &Path::from("raw"), &contract).await.unwrap();
    let night = date("2030-01-01");
    let plan = plan_deliveries(&contract, &files, &Default::default(), night, night);
    let kept = Arc::new(crate::ingest::tests::support::Kept::default());
    load(Arc::clone(&world.store), &contract, &plan, &world.options, kept).await.unwrap()
}

#[tokio::test]
async fn a_csv_of_a_shop_is_described_and_loads_without_a_misfit() {
    let text = "OrderID,Customer Name,Email,Order Date,Total,Units,Paid?,Código Postal,Weight\n\
        0001,Ana,a@b.es,2024-01-01 10:00:00,10.50,1,true,08001,1.5e3\n\
        0002,Bob,,2024-01-02 11:00:00,7,NULL,false,28001,2.25\n";
    let (world, inferred) = infer(&[("orders/orders_2024-01-02.csv", text.as_bytes())]).await;
    let expected = r#"description: "TODO: what one row of orders is."
path: "orders/orders_{date:%Y-%m-%d}.csv"
format:
  type: csv
  delimiter: ','
  header: true
  null_words: ["NULL"]
delivery: append # append: new rows | upsert: the newest of each key wins | snapshot: all of it each time
key: [order_id] # different in every row that was read
event_time: order_date
tolerance: 0.01 # share of rows that may be quarantined before the source fails
dropped_columns: fail # where a file lacks a column that those before it had: fail the source | warn
expect: { every: 1 day, rows: 0.5, missing: warn }
columns:
  - { name: order_id, from: "OrderID",            type: VARCHAR,         required: true }
  - { name: customer_name, from: "Customer Name", type: VARCHAR,         required: true, pii: name }
  - { name: email, from: "Email",                 type: VARCHAR,         pii: email }
  - { name: order_date, from: "Order Date",       type: TIMESTAMP,       required: true }
  - { name: total, from: "Total",                 type: "DECIMAL(18,2)", required: true }
  - { name: units, from: "Units",                 type: INTEGER }
  - { name: paid, from: "Paid?",                  type: BOOLEAN,         required: true }
  - { name: codigo_postal, from: "Código Postal", type: VARCHAR,         required: true, pii: postal_code }
  - { name: weight, from: "Weight",               type: DOUBLE,          required: true }
"#;
    assert_eq!(inferred.yaml, expected);
    let report = loaded(&world, &inferred).await;
    assert_eq!((report.rows, report.quarantined, report.warnings.len()), (2, 0, 0));
}

#[tokio::test]
async fn foreign_habits_are_recognised() {
    let text = "fecha;importe;cantidad;nota\n31/12/2023;1.234,56;1;ñ\n01/02/2024;0,5;2;\n";
    let bytes = encoding_rs::WINDOWS_1252.encode(text).0.into_owned();
    let (world, inferred) = infer(&[("a.csv", &bytes)]).await;
    for part in [
        "delimiter: ';'",
        "encoding: windows-1252",
        "decimal_comma: true",
        "date_formats: [\"%d/%m/%Y\"]",
        "name: fecha,    type: DATE",
        "path: \"a.csv\"",
    ] {
        assert!(inferred.yaml.contains(part), "{part}: {}", inferred.yaml);
    }
    assert_eq!(loaded(&world, &inferred).await.rows, 2);
    let (_, inferred) = infer(&[("a.csv", b"day\n01/02/2024\n")]).await;
    assert!(inferred.notes.iter().any(|note| note.contains("day/month")), "{:?}", inferred.notes);
}

#[tokio::test]
async fn a_point_that_may_part_thousands_is_never_taken_for_one_thing_in_silence() {
    let said = |inferred: &Inferred, part: &str| inferred.notes.iter().any(|note| note.contains(part));
    let (world, inferred) = infer(&[("a.csv", b"day,weight\n2024-01-01,1.234\n2024-01-02,999\n")]).await;
    assert!(inferred.yaml.contains("DECIMAL(18,3)"), "{}", inferred.yaml);
    assert!(said(&inferred, "`weight` has values like `1.234`") && said(&inferred, "decimal_comma: true"));
    assert_eq!(loaded(&world, &inferred).await.quarantined, 0);
    // Where `;` stands between fields the comma begins fractions more often than not.
    let (world, inferred) = infer(&[("a.csv", b"day;amount\n2024-01-01;1.234\n2024-01-02;12.500\n")]).await;
    assert!(inferred.yaml.contains("decimal_comma: true") && inferred.yaml.contains("type: INTEGER"));
    assert!(said(&inferred, "`amount` has values like `1.234`") && said(&inferred, "DECIMAL(18,3)"));
    assert_eq!(loaded(&world, &inferred).await.quarantined, 0);
    let (_, inferred) = infer(&[("a.csv", b"day,amount\n2024-01-01,\"1,234\"\n")]).await;
    assert!(said(&inferred, "`amount` has values like `1,234`"), "{:?}", inferred.notes);
}

#[tokio::test]
async fn where_another_value_tells_what_points_are_nothing_is_to_be_asked() {
    for text in ["day,weight,price\n2024-01-01,1.234,9.5\n", "day,weight\n2024-01-01,1.234\n2024-01-02,0.250\n"] {
        let (_, inferred) = infer(&[("a.csv", text.as_bytes())]).await;
        assert!(inferred.yaml.contains("DECIMAL(18,3)"), "{}", inferred.yaml);
        assert!(!inferred.notes.iter().any(|note| note.contains("values like")), "{:?}", inferred.notes);
    }
    let (_, inferred) = infer(&[("a.csv", b"day;units;price\n2024-01-01;1.234;9.50\n")]).await;
    assert!(!inferred.yaml.contains("decimal_comma"), "{}", inferred.yaml);
}

#[tokio::test]
async fn keys_are_found_by_names_of_other_languages() {
    for (header, key) in [
        ("Nº pedido", "no_pedido"),
        ("Núm. factura", "num_factura"),
        ("N° commande", "no_commande"),
        ("Numéro de commande", "numero_de_commande"),
        ("№ commande", "no_commande"),
        ("Bestellnummer", "bestellnummer"),
        ("Código", "codigo"),
    ] {
        let text = format!("{header};tienda\nA-1;x\nA-2;x\n");
        let (_, inferred) = infer(&[("a.csv", text.as_bytes())]).await;
        assert!(inferred.yaml.contains(&format!("key: [{key}]")), "{header}: {}", inferred.yaml);
    }
    // How many there are is no key beside what is one.
    let (_, inferred) = infer(&[("a.csv", b"num_items,order_id\n1,a\n2,b\n")]).await;
    assert!(inferred.yaml.contains("key: [order_id]"), "{}", inferred.yaml);
    let (_, inferred) = infer(&[("a.csv", b"order_id,line,num_units\na,1,1\na,2,2\nb,1,3\n")]).await;
    assert!(inferred.yaml.contains("key: [order_id, line]"), "{}", inferred.yaml);
    let (_, inferred) = infer(&[("a.csv", b"number_of_items,shop\n1,a\n2,b\n")]).await;
    assert!(inferred.yaml.contains("# key:"), "{}", inferred.yaml);
}

#[tokio::test]
async fn files_without_header_json_lines_and_packed_files_are_described() {
    let (world, inferred) = infer(&[("a.csv", b"1\t2024-01-01\tx\n2\t2024-01-02\ty\n")]).await;
    assert!(inferred.yaml.contains("header: false") && inferred.yaml.contains("delimiter: '\\t'"), "{}", inferred.yaml);
    assert_eq!(loaded(&world, &inferred).await.rows, 2);
    let lines = zstd::encode_all(
        b"{\"order_id\":\"a\",\"n\":1,\"tags\":[1]}\n{\"order_id\":\"b\",\"extra\":1.5}\n".as_slice(),
        1,
    )
    .unwrap();
    let (world, inferred) = infer(&[("l_20240101.jsonl.zst", &lines), ("l_20240102.jsonl.zst", &lines)]).await;
    for part in [
        "type: jsonl",
        "l_{date:%Y%m%d}.jsonl.zst",
        "name: n,        type: INTEGER }",
        "name: extra,    type: \"DECIMAL(18,2)\" }",
    ] {
        assert!(inferred.yaml.contains(part), "{part}: {}", inferred.yaml);
    }
    assert_eq!(loaded(&world, &inferred).await.rows, 4);
}

#[tokio::test]
async fn the_key_of_a_parquet_file_is_found_in_its_values() {
    use arrow::array::{ArrayRef, Int64Array, StringArray};
    let of = |columns: Vec<(&str, ArrayRef)>| {
        let batch = arrow::record_batch::RecordBatch::try_from_iter(columns).unwrap();
        let mut writer = ::parquet::arrow::ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.into_inner().unwrap()
    };
    let orders: ArrayRef = Arc::new(StringArray::from(vec!["a", "a", "b", "NA"]));
    let lines: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 1, 1]));
    let all: ArrayRef = Arc::new(Int64Array::from(vec![9, 8, 7, 6]));
    let two = of(vec![("order_id", Arc::clone(&orders)), ("line_number", lines)]);
    let one = of(vec![("order_id", orders), ("payment_id", all)]);
    for (file, expected) in [(two, "key: [order_id, line_number]"), (one, "key: [payment_id]")] {
        let (world, inferred) = infer(&[("a.parquet", &file)]).await;
        assert!(inferred.yaml.contains(expected), "{}", inferred.yaml);
        assert_eq!(loaded(&world, &inferred).await.rows, 4);
    }
}

#[tokio::test]
async fn of_a_long_value_that_rows_share_only_the_begin_is_looked_at() {
    use arrow::array::{ArrayRef, DictionaryArray, StringArray};
    use arrow::datatypes::Int32Type;
    let value = StringArray::from(vec![&*"ñ".repeat(100_000)]);
    let rows: ArrayRef = Arc::new(DictionaryArray::<Int32Type>::new(vec![0; 50].into(), Arc::new(value)));
    let batch = arrow::record_batch::RecordBatch::try_from_iter([("word", rows)]).unwrap();
    let mut writer = ::parquet::arrow::ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    let world = World::new();
    world.put("raw/a.parquet", writer.into_inner().unwrap()).await;
    let file = RawFile::at(&*world.store, Path::from("raw/a.parquet"), "a.parquet".to_owned()).await.unwrap();
    let opener = Opener { store: Arc::clone(&world.store), runtime: Handle::current() };
    let read = tokio::task::spawn_blocking(move || super::parquet::read(&opener, &file)).await.unwrap().unwrap();
    let lengths: Vec<usize> = read.columns[0].values.iter().flatten().map(String::len).collect();
    assert_eq!(lengths, [1024; 50]);
}

#[tokio::test]
async fn columns_called_like_words_of_yaml_stay_names() {
    let (world, inferred) = infer(&[("a.csv", b"No,null,true,\"say \"\"hi\"\": #1\"\n1,2,3,4\n")]).await;
    let names: Vec<&str> = inferred.contract.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["no", "null", "true", "say_hi_1"]);
    assert_eq!(loaded(&world, &inferred).await.rows, 1);
}

#[tokio::test]
async fn what_cannot_be_described_is_an_error() {
    let world = World::new();
    world.put("raw/a.csv", "").await;
    let file = RawFile::at(&*world.store, Path::from("raw/a.csv"), "a.csv".to_owned()).await.unwrap();
    let error = infer_contract(Arc::clone(&world.store), "orders", &[file]).await.unwrap_err();
    assert!(error.to_string().contains("no columns"), "{error}");
}

#[test]
fn names_become_snake_case() {
    for (name, expected) in [
        ("OrderID", "order_id"),
        ("Order Id", "order_id"),
        ("HTMLPage", "html_page"),
        ("año", "ano"),
        ("% discount ", "discount"),
        ("2nd", "c_2nd"),
        ("", "column"),
        ("already_fine", "already_fine"),
        ("Address2Line", "address2_line"),
        ("Nº pedido", "no_pedido"),
        ("Temp °C", "temp_c"),
        ("Référence", "reference"),
    ] {
        assert_eq!(canonical(name), expected, "{name}");
    }
}

#[test]
fn paths_become_one_pattern() {
    for (paths, expected) in [
        (vec!["a/orders_2024-01-01.csv", "a/orders_2024-01-02.csv"], "a/orders_{date:%Y-%m-%d}.csv"),
        (vec!["o_20240101_1.csv", "o_20240101_2.csv"], "o_{date:%Y%m%d}_*.csv"),
        (vec!["2024/01/31/o.csv"], "{date:%Y/%m/%d}/o.csv"),
        (vec!["north.csv", "south.csv"], "*th.csv"),
        (vec!["x_2024-99-99.csv"], "x_2024-99-99.csv"),
        (vec!["m_2024-02.csv"], "m_{date:%Y-%m}.csv"),
        (vec!["p_30-01-2026.csv", "p_01-02-2026.csv"], "p_{date:%d-%m-%Y}.csv"),
        (vec!["p_01-30-2026.csv", "p_02-01-2026.csv"], "p_{date:%m-%d-%Y}.csv"),
        (vec!["p_31012026.csv"], "p_{date:%d%m%Y}.csv"),
    ] {
        assert_eq!(pattern(&paths), expected, "{paths:?}");
    }
}
