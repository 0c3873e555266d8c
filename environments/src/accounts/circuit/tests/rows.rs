use circuits::{
    Builder, Definition,
    basetypes::{kernel_config, standard_config},
};

use super::Slots;

fn rows(config: plonky2::plonk::circuit_data::CircuitConfig, slots: usize) -> usize {
    let mut builder = Builder::new(config);
    Slots(slots).define(&mut builder);
    builder.num_gates()
}

#[test]
fn a_slot_has_so_many_rows() {
    for (config, name) in [(standard_config(), "standard"), (kernel_config(), "kernel")] {
        let (one, nine) = (rows(config.clone(), 1), rows(config, 9));
        println!("{name}: {one} rows for one slot, {} for each more", (nine - one) as f64 / 8.0);
    }
}
