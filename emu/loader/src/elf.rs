//! ELF: the header, the loadable segments and the symbol table, nothing else.

use goblin::container::{Container, Ctx};
use goblin::elf::Elf;
use goblin::elf::header::{self, Header};
use goblin::elf::program_header::{PT_LOAD, ProgramHeader};
use goblin::elf::section_header::{SHN_ABS, SHN_LORESERVE, SHN_UNDEF, SHT_SYMTAB, SectionHeader};
use goblin::elf::sym::{STB_LOCAL, STT_COMMON, STT_FUNC, STT_GNU_IFUNC, STT_NOTYPE, STT_OBJECT, Sym, Symtab};
use goblin::{elf32::sym as elf32, elf64::sym as elf64};

use crate::attributes;
use crate::symbols::{Builder, Raw};
use crate::{Arch, ArmBuild, Format, Image, LoadError, Segment, SymbolKind, Symbols};

/// ELF for the Arm Architecture 2023Q3, 5.3.
const SHT_ARM_ATTRIBUTES: u32 = 0x7000_0003;

pub(crate) fn parse(bytes: &[u8]) -> Result<Image, LoadError> {
    let file = File::open(bytes)?;
    let segments = file.segments()?;
    let symbols = file.symbols()?;
    // ELF: an entry of zero means that there is none.
    let entry = Some(file.header.e_entry).filter(|&e| e != 0);
    Ok(Image { format: Format::Elf, segments, entry, arch: Some(file.arch), arm: file.arm_build(), symbols })
}

struct File<'a> {
    bytes: &'a [u8],
    header: Header,
    ctx: Ctx,
    arch: Arch,
}

fn bad<T>(what: impl Into<String>, offset: u64) -> Result<T, LoadError> {
    Err(LoadError::BadElf { what: what.into(), offset })
}

impl<'a> File<'a> {
    fn open(bytes: &'a [u8]) -> Result<Self, LoadError> {
        let len = bytes.len() as u64;
        let truncated = |size| LoadError::Truncated { what: "the header", offset: 0, size, len };
        let ident = bytes.get(..header::SIZEOF_IDENT).ok_or(truncated(header::SIZEOF_IDENT as u64))?;
        let is_64 = match ident[header::EI_CLASS] {
            header::ELFCLASS32 => false,
            header::ELFCLASS64 => true,
            class => return bad(format!("class {class} is neither 32 nor 64 bit"), header::EI_CLASS as u64),
        };
        match ident[header::EI_DATA] {
            header::ELFDATA2LSB => {}
            header::ELFDATA2MSB => return bad("big-endian is not supported", header::EI_DATA as u64),
            data => return bad(format!("unknown byte order {data}"), header::EI_DATA as u64),
        }
        let header = Elf::parse_header(bytes).map_err(|_| truncated(if is_64 { 64 } else { 52 }))?;
        let arch = arch(header.e_machine, is_64)?;
        match header.e_type {
            header::ET_EXEC | header::ET_DYN => {}
            header::ET_REL => return bad("a relocatable object: it has to be linked first", 16),
            header::ET_CORE => return bad("a core dump", 16),
            other => return bad(format!("unknown file type {other}"), 16),
        }
        let ctx = Ctx::from(if is_64 { Container::Big } else { Container::Little });
        Ok(File { bytes, header, ctx, arch })
    }

    /// The bytes that the file claims to have at `offset`.
    fn slice(&self, what: &'static str, offset: u64, size: u64) -> Result<&'a [u8], LoadError> {
        let end = offset.checked_add(size).filter(|&end| end <= self.bytes.len() as u64);
        match end {
            Some(end) => Ok(&self.bytes[offset as usize..end as usize]),
            None => Err(LoadError::Truncated { what, offset, size, len: self.bytes.len() as u64 }),
        }
    }

    fn program_headers(&self) -> Result<Vec<ProgramHeader>, LoadError> {
        let (offset, count) = (self.header.e_phoff, usize::from(self.header.e_phnum));
        let size = ProgramHeader::size(self.ctx);
        if count > 0 && usize::from(self.header.e_phentsize) != size {
            return bad(format!("program headers of {} bytes", self.header.e_phentsize), offset);
        }
        let table = self.slice("the program header table", offset, (count * size) as u64)?;
        ProgramHeader::parse(table, 0, count, self.ctx)
            .or_else(|e| bad(format!("program headers: {e}"), offset))
    }

    fn segments(&self) -> Result<Vec<Segment>, LoadError> {
        let mut headers = self.program_headers()?;
        headers.retain(|h| h.p_type == PT_LOAD && h.p_filesz > 0);
        // Some linkers leave every physical address zero; then the virtual ones are meant (as GNU BFD does).
        let virt = headers.iter().all(|h| h.p_paddr == 0);
        let mut loads = Vec::new();
        let mut total = 0;
        for h in &headers {
            let addr = if virt { h.p_vaddr } else { h.p_paddr };
            loads.push((addr, self.load(h, addr)?));
            total += h.p_filesz;
            // Segments that share file bytes could otherwise make a small file claim gigabytes.
            if total > self.bytes.len() as u64 {
                return bad("the segments together are larger than the file", h.p_offset);
            }
        }
        loads.sort_by_key(|&(addr, _)| addr);
        for pair in loads.windows(2) {
            let end = |(addr, data): (u64, &[u8])| addr + data.len() as u64;
            if end(pair[0]) > pair[1].0 {
                return Err(LoadError::Overlap { first: pair[1].0, end: end(pair[0]).min(end(pair[1])) });
            }
        }
        if loads.is_empty() {
            return Err(LoadError::NothingToLoad);
        }
        Ok(loads.into_iter().map(|(addr, data)| Segment { addr, data: data.to_vec() }).collect())
    }

    /// The bytes of one segment, if they are in the file and fit into the address space.
    fn load(&self, h: &ProgramHeader, addr: u64) -> Result<&'a [u8], LoadError> {
        let data = self.slice("a segment", h.p_offset, h.p_filesz)?;
        if h.p_memsz < h.p_filesz {
            return bad("a segment is larger in the file than in memory", h.p_offset);
        }
        // The end must be a number too: the very last byte of a 64-bit space cannot be used.
        let bits = if self.ctx.is_big() { 64 } else { 32 };
        match addr.checked_add(h.p_filesz) {
            Some(end) if bits == 64 || end <= 1 << 32 => Ok(data),
            _ => Err(LoadError::OutOfSpace { addr, size: h.p_filesz, bits }),
        }
    }

    fn section_headers(&self) -> Result<Vec<SectionHeader>, LoadError> {
        let offset = self.header.e_shoff;
        if offset == 0 {
            return Ok(Vec::new());
        }
        let size = SectionHeader::size(self.ctx);
        if usize::from(self.header.e_shentsize) != size {
            return bad(format!("section headers of {} bytes", self.header.e_shentsize), offset);
        }
        let count = usize::from(self.header.e_shnum);
        self.slice("the section header table", offset, (count.max(1) * size) as u64)?;
        let headers = SectionHeader::parse(self.bytes, offset as usize, count, self.ctx);
        headers.or_else(|e| bad(format!("section headers: {e}"), offset))
    }

    /// The build attributes, if there are any that can be read.
    fn arm_build(&self) -> Option<ArmBuild> {
        let sections = self.section_headers().ok()?;
        let section = sections.iter().find(|s| self.arch == Arch::Arm && s.sh_type == SHT_ARM_ATTRIBUTES)?;
        attributes::parse(self.slice("the attributes", section.sh_offset, section.sh_size).ok()?)
    }

    fn symbols(&self) -> Result<Symbols, LoadError> {
        let sections = self.section_headers()?;
        let Some(table) = sections.iter().find(|s| s.sh_type == SHT_SYMTAB) else {
            return Ok(Symbols::default());
        };
        self.slice("the symbol table", table.sh_offset, table.sh_size)?;
        let Some(strings) = sections.get(table.sh_link as usize) else {
            return bad("the symbol table names no string table", table.sh_offset);
        };
        let names = self.slice("the string table", strings.sh_offset, strings.sh_size)?;
        if table.sh_size == 0 {
            return Ok(Symbols::default());
        }
        let count =
            table.sh_size as usize / if self.ctx.is_big() { elf64::SIZEOF_SYM } else { elf32::SIZEOF_SYM };
        let syms = match Symtab::parse(self.bytes, table.sh_offset as usize, count, self.ctx) {
            Ok(syms) => syms,
            Err(e) => return bad(format!("symbol table: {e}"), table.sh_offset),
        };
        let mut builder = Builder::new(names);
        for sym in syms.iter() {
            if let Some(raw) = self.symbol(&sym, &sections) {
                builder.push(raw);
            }
        }
        Ok(builder.finish())
    }

    /// `None` for what is no place in memory: sections, files, undefined and thread-local symbols.
    fn symbol(&self, sym: &Sym, sections: &[SectionHeader]) -> Option<Raw> {
        let kind = match sym.st_type() {
            STT_FUNC | STT_GNU_IFUNC => SymbolKind::Function,
            STT_OBJECT | STT_COMMON => SymbolKind::Data,
            STT_NOTYPE => SymbolKind::Label,
            _ => return None,
        };
        let index = sym.st_shndx;
        let region_end = if index as u32 == SHN_UNDEF {
            return None;
        } else if (index as u32) < SHN_LORESERVE {
            let section = sections.get(index)?;
            section.sh_addr.saturating_add(section.sh_size)
        } else if index as u32 == SHN_ABS {
            0
        } else {
            return None;
        };
        // ELF for the Arm Architecture, 5.5.3: bit 0 of a function's value says Thumb.
        let thumb = self.arch == Arch::Arm && kind == SymbolKind::Function;
        let addr = if thumb { sym.st_value & !1 } else { sym.st_value };
        let global = sym.st_bind() != STB_LOCAL;
        Some(Raw { name: sym.st_name, addr, size: sym.st_size, kind, global, region_end })
    }
}

fn arch(machine: u16, is_64: bool) -> Result<Arch, LoadError> {
    let (arch, fits) = match machine {
        header::EM_ARM => (Arch::Arm, !is_64),
        header::EM_AARCH64 => (Arch::Aarch64, is_64),
        header::EM_RISCV if is_64 => (Arch::Riscv64, true),
        header::EM_RISCV => (Arch::Riscv32, true),
        header::EM_XTENSA => (Arch::Xtensa, !is_64),
        other => (Arch::Other(other), true),
    };
    if fits {
        Ok(arch)
    } else {
        bad(format!("a {}-bit file for {arch}", if is_64 { 64 } else { 32 }), header::EI_CLASS as u64)
    }
}
