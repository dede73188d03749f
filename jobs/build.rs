//! The standard `sql/` is embedded: a file that is added there must reach the binary.

fn main() {
    println!("cargo::rerun-if-changed=../sql");
}
