//! What is known when all rows have come: which sheets the file has, what stands on them, and what to warn of.

use super::fill::Fill;
use super::output::SheetPlan;
use super::placeholder::Token;
use super::references::Shifts;
use super::sheet::{Filled, Piece};
use super::shift::Shift;
use crate::limits::TEMPLATE_PROBLEMS_MAX;
use crate::sheet::Result;
use std::collections::BTreeSet;

impl Fill {
    /// A sheet of the template as it goes into the file, and those on which its list goes on.
    pub(super) fn plans(&self, sheet: usize, shifts: &Shifts) -> Result<Vec<SheetPlan>> {
        let shift = &shifts.sheets[sheet].1;
        let own = Shift {
            further: Vec::new(),
            ..shift.clone()
        };
        let mut plans = vec![SheetPlan {
            blocks: self.filled(sheet, shifts, &own, 0)?,
            shift: own,
            name: None,
        }];
        for further in &shift.further {
            let mut own = plans[0].shift.clone();
            own.stretches
                .iter_mut()
                .for_each(|stretch| stretch.copies = Some(further.copies));
            plans.push(SheetPlan {
                blocks: self.filled(sheet, shifts, &own, plans.len() as u64)?,
                shift: own,
                name: Some(further.name.clone()),
            });
        }
        Ok(plans)
    }

    /// The repeated rows of a sheet's blocks, whose lists are on the n-th of the sheets that they take.
    fn filled(
        &self,
        sheet: usize,
        shifts: &Shifts,
        shift: &Shift,
        number: u64,
    ) -> Result<Vec<Filled>> {
        let mut filled = Vec::new();
        for block in self.blocks.iter().filter(|block| block.sheet == sheet) {
            let lists = self.lists_of(block);
            let merges = &self.model().sheets[sheet].blocks[block.index].merges;
            if lists.iter().all(|list| self.count(list) == 0) {
                let (compiled, first) = self.compile(block, shifts)?;
                let (mut rows, mut merges) = (Vec::new(), Vec::new());
                compiled.write_empty(first, &mut rows);
                compiled.write_merges(first, &mut merges);
                filled.push(Filled {
                    rows: Piece::Text(rows),
                    merges: Piece::Text(merges),
                    merge_count: compiled.merge_count,
                });
                continue;
            }
            let copies = shift.stretches[block.index].copies.unwrap_or(1);
            let (rows_part, merges_part) = block.part_numbers(number);
            filled.push(Filled {
                rows: Piece::Part(rows_part),
                merges: Piece::Part(merges_part),
                merge_count: merges.len() as u64 * copies,
            });
        }
        Ok(filled)
    }

    fn count(&self, list: &str) -> u64 {
        match (list, &self.position.named) {
            ("", _) => self.position.rows,
            (name, Some(named)) => named.get(name).copied().unwrap_or_default(),
            (_, None) => 0,
        }
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings = self.position.warnings.clone();
        let mut missing = BTreeSet::new();
        for marked in self.model().sheets.iter().flat_map(|s| s.marked.values()) {
            for token in &marked.parsed.tokens {
                match token {
                    Token::Scalar(name) if !self.position.scalars.has(name) => {
                        missing.insert(name);
                    }
                    _ => {}
                }
            }
        }
        let missing = missing.into_iter();
        warnings.extend(missing.map(|name| format!("There is no value for {{{name}}}.")));
        warnings.truncate(TEMPLATE_PROBLEMS_MAX);
        warnings
    }
}
