//! The slab against a map, and its memory under load.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

#[test]
fn a_slot_costs_its_value_and_four_bytes() {
    assert_eq!(Slab::<u32>::SLOT_BYTES, 8);
    assert_eq!(Slab::<[u64; 3]>::SLOT_BYTES, 32);
}

#[test]
fn a_key_survives_being_packed() {
    let key = Key::from_parts(7, u32::MAX);
    assert_eq!(Key::from_u64(0xffff_ffff_0000_0007), key);
    assert_eq!(key.to_u64(), 0xffff_ffff_0000_0007);
    assert_ne!(Slab::new().insert(()).generation(), 0);
}

#[test]
fn the_lowest_vacancy_is_taken_first() {
    let mut slab = Slab::new();
    let keys: Vec<_> = (0..10_000).map(|n| slab.insert(n)).collect();
    for index in [9_999, 3, 4_100, 4] {
        slab.remove(keys[index]);
    }
    let taken: Vec<_> = (0..5).map(|n| slab.insert(n).index()).collect();
    assert_eq!(taken, [3, 4, 4_100, 9_999, 10_000]);
}

#[test]
fn memory_is_given_back_whatever_the_order_of_removal() {
    let strides: [usize; 3] = [1, 9_999, 4_567]; // up, down, scattered: all coprime to 10,000
    for stride in strides {
        let mut slab = Slab::new();
        let keys: Vec<_> = (0..10_000).map(|n| slab.insert(n)).collect();
        assert!(slab.capacity_slots() >= 10_000);
        for n in 0..keys.len() {
            assert!(slab.remove(keys[n * stride % keys.len()]).is_some());
        }
        assert!(slab.capacity_slots() <= SLOTS_KEPT, "stride {stride}");
        assert!(slab.occupied.capacity() <= 4, "stride {stride}");
        assert_eq!(slab.insert(0).index(), 0);
    }
}

#[test]
fn swaying_about_any_size_does_not_allocate() {
    let mut slab = Slab::new();
    for count in 1..1_000 {
        slab.insert(count);
        let capacity = slab.capacity_slots();
        for _ in 0..3 {
            let key = slab.insert(0);
            let grown = slab.capacity_slots();
            slab.remove(key);
            assert_eq!(slab.capacity_slots(), grown, "{count} slots");
        }
        assert!(slab.capacity_slots() <= 2 * capacity.max(4));
    }
}

#[test]
fn a_stale_key_finds_nothing_after_its_slot_was_cut_off() {
    let mut slab = Slab::new();
    let stale: Vec<_> = (0..1_000).map(|n| slab.insert(n)).collect();
    stale.iter().for_each(|&key| _ = slab.remove(key));
    (0..1_000).for_each(|n| _ = slab.insert(n));
    assert!(
        stale
            .iter()
            .all(|&key| !slab.contains(key) && slab.remove(key).is_none())
    );
    assert_eq!(slab.len(), 1_000);
}

#[test]
fn generations_wrap_past_zero() {
    let mut slab = Slab::new();
    slab.generation = NonZeroU32::MAX;
    assert_eq!(slab.insert('a').generation(), u32::MAX);
    assert_eq!(slab.insert('b').generation(), 1);
}

proptest! {
    #[test]
    fn behaves_like_a_map(
        steps in prop::collection::vec((0..20_u8, any::<prop::sample::Index>()), 1..2_000),
    ) {
        let (mut slab, mut model, mut keys) = (Slab::new(), HashMap::new(), Vec::new());
        for (number, (kind, pick)) in steps.into_iter().enumerate() {
            if kind < 11 || keys.is_empty() {
                let key = slab.insert(number);
                prop_assert!(model.insert(key, number).is_none(), "{key:?} given out twice");
                keys.push(key);
            } else {
                let key = keys[pick.index(keys.len())]; // most likely live, often stale
                if let Some(value) = slab.get_mut(key) {
                    *value += 1;
                }
                model.entry(key).and_modify(|value| *value += 1);
                prop_assert_eq!(slab.get(key), model.get(&key));
                prop_assert_eq!(slab.remove(key), model.remove(&key));
            }
            prop_assert_eq!(slab.len(), model.len());
        }
        let found: HashMap<_, _> = slab.iter().map(|(key, &value)| (key, value)).collect();
        prop_assert_eq!(found, model);
        prop_assert!(slab.iter().is_sorted_by_key(|(key, _)| key.index()));
    }
}
