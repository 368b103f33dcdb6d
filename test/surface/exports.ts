/** The functions that the entries of the package export, with the names of their parameters, read from the built types. */
import { join } from "node:path";
import ts from "typescript";

/** A parameter of an exported function. */
export interface Parameter {
  readonly name: string;
  readonly optional: boolean;
  /** Its type, as the declaration has it. */
  readonly type: string;
  /** The names of the options, if the type is an object of options. */
  readonly keys: readonly string[];
}

/** An exported function, or a class as its constructor. */
export interface ExportedFunction {
  /** The file of the entry without its extension, such as `nn`. */
  readonly entry: string;
  /** Members of namespaces and of constant objects are written `object.member`. */
  readonly name: string;
  readonly parameters: readonly Parameter[];
}

/** Reads the functions of entries from `dist/<entry>.d.ts`. */
export function readExportedFunctions(
  dist: string,
  entries: readonly string[],
): readonly ExportedFunction[] {
  const files = entries.map((entry) => join(dist, `${entry}.d.ts`));
  const program = ts.createProgram(files, {
    strict: true,
    skipLibCheck: true,
    noEmit: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
  });
  const checker = program.getTypeChecker();
  return entries.flatMap((entry, index) => {
    const file = program.getSourceFile(files[index] ?? "");
    const module = file && checker.getSymbolAtLocation(file);
    if (file === undefined || module === undefined) return [];
    const found = (name: string, symbol: ts.Symbol): ExportedFunction[] => {
      const target =
        symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
      if (target.flags & ts.SymbolFlags.ValueModule)
        return checker
          .getExportsOfModule(target)
          .flatMap((inner) => found(`${name}.${inner.getName()}`, inner));
      if (!(target.flags & ts.SymbolFlags.Value)) return [];
      const type = checker.getTypeOfSymbolAtLocation(target, file);
      const signature = type.getCallSignatures()[0] ?? type.getConstructSignatures()[0];
      if (signature === undefined) return [];
      return [
        {
          entry,
          name,
          parameters: signature.parameters.map((parameter) => describe(parameter, file)),
        },
      ];
    };
    const describe = (parameter: ts.Symbol, file: ts.SourceFile): Parameter => {
      const declaration = parameter.valueDeclaration as ts.ParameterDeclaration;
      const type = checker.getTypeOfSymbolAtLocation(parameter, file);
      const bare = checker.getNonNullableType(type);
      const text = checker.typeToString(type);
      const keys = /^options |settings|Options|Settings/.test(`${parameter.name} ${text}`)
        ? bare.getProperties().map((property) => property.name)
        : [];
      return {
        name: parameter.name.startsWith("__") ? declaration.name.getText() : parameter.name,
        optional: checker.isOptionalParameter(declaration),
        type: text,
        keys,
      };
    };
    return checker.getExportsOfModule(module).flatMap((symbol) => found(symbol.getName(), symbol));
  });
}
