; What clang -target bpf -mcpu=v3 -g -O2 -Xclang -opaque-pointers -emit-llvm -S makes of imported.bpf.c: the tests
; turn it into an object without clang.  Make it anew when that file changes.
; ModuleID = 'imported.bpf.c'
source_filename = "imported.bpf.c"
target datalayout = "e-m:e-p:64:64-i64:64-i128:128-n32:64-S128"
target triple = "bpf"

%struct.anon = type { [1 x i32]*, [64 x i32]*, i32*, i64* }
%struct.point = type { i32, i64 }
%struct.task_struct = type { i32 }

@calls = dso_local local_unnamed_addr global i64 40, align 8, !dbg !0
@table = dso_local constant [4 x i32] [i32 10, i32 20, i32 30, i32 40], align 4, !dbg !15
@zeros = dso_local local_unnamed_addr global [4 x i64] zeroinitializer, align 8, !dbg !40
@.str = private unnamed_addr constant [9 x i8] c"constant\00", align 1
@counts = dso_local global %struct.anon zeroinitializer, section ".maps", align 8, !dbg !21
@"llvm.task_struct:0:0$0:0" = external global i64, !llvm.preserve.access.index !67 #0
@llvm.compiler.used = appending global [1 x i8*] [i8* bitcast (%struct.anon* @counts to i8*)], section "llvm.metadata"

; Function Attrs: mustprogress nofree norecurse nosync nounwind readnone willreturn
define dso_local i32 @add_one(i32 noundef %0) local_unnamed_addr #1 !dbg !75 {
  call void @llvm.dbg.value(metadata i32 %0, metadata !79, metadata !DIExpression()), !dbg !80
  %2 = add nsw i32 %0, 1, !dbg !81
  ret i32 %2, !dbg !82
}

; Function Attrs: mustprogress nofree norecurse nosync nounwind readnone willreturn
define dso_local zeroext i8 @narrow(i8 noundef zeroext %0) local_unnamed_addr #1 !dbg !83 {
  call void @llvm.dbg.value(metadata i8 %0, metadata !88, metadata !DIExpression()), !dbg !89
  %2 = add i8 %0, 1, !dbg !90
  ret i8 %2, !dbg !91
}

; Function Attrs: mustprogress nofree norecurse nosync nounwind readnone willreturn
define dso_local zeroext i1 @is_big(i64 noundef %0) local_unnamed_addr #1 !dbg !92 {
  call void @llvm.dbg.value(metadata i64 %0, metadata !97, metadata !DIExpression()), !dbg !98
  %2 = icmp sgt i64 %0, 100, !dbg !99
  ret i1 %2, !dbg !100
}

; Function Attrs: mustprogress nofree norecurse nosync nounwind readnone willreturn
define dso_local i32 @other(i32 noundef %0) local_unnamed_addr #1 !dbg !101 {
  call void @llvm.dbg.value(metadata i32 %0, metadata !105, metadata !DIExpression()), !dbg !106
  %2 = icmp eq i32 %0, 0, !dbg !107
  %3 = zext i1 %2 to i32, !dbg !108
  ret i32 %3, !dbg !109
}

; Function Attrs: mustprogress nofree norecurse nosync nounwind willreturn
define dso_local void @nothing(i32 noundef %0) local_unnamed_addr #2 !dbg !110 {
  call void @llvm.dbg.value(metadata i32 %0, metadata !114, metadata !DIExpression()), !dbg !115
  %2 = sext i32 %0 to i64, !dbg !116
  %3 = load i64, i64* getelementptr inbounds ([4 x i64], [4 x i64]* @zeros, i64 0, i64 1), align 8, !dbg !117, !tbaa !118
  %4 = add i64 %3, %2, !dbg !117
  store i64 %4, i64* getelementptr inbounds ([4 x i64], [4 x i64]* @zeros, i64 0, i64 1), align 8, !dbg !117, !tbaa !118
  ret void, !dbg !122
}

; Function Attrs: mustprogress nofree norecurse nosync nounwind readonly willreturn
define dso_local i64 @noted() local_unnamed_addr #3 !dbg !123 {
  %1 = load i64, i64* getelementptr inbounds ([4 x i64], [4 x i64]* @zeros, i64 0, i64 1), align 8, !dbg !127, !tbaa !118
  ret i64 %1, !dbg !128
}

; Function Attrs: mustprogress nofree norecurse nosync nounwind willreturn
define dso_local i64 @bump(i64 noundef %0) local_unnamed_addr #2 !dbg !129 {
  call void @llvm.dbg.value(metadata i64 %0, metadata !133, metadata !DIExpression()), !dbg !134
  %2 = load i64, i64* @calls, align 8, !dbg !135, !tbaa !118
  %3 = add i64 %2, %0, !dbg !135
  store i64 %3, i64* @calls, align 8, !dbg !135, !tbaa !118
  ret i64 %3, !dbg !136
}

; Function Attrs: mustprogress nofree nosync nounwind readnone willreturn
define dso_local i32 @look(i32 noundef %0) local_unnamed_addr #4 !dbg !137 {
  call void @llvm.dbg.value(metadata i32 %0, metadata !139, metadata !DIExpression()), !dbg !140
  %2 = icmp slt i32 %0, 0, !dbg !141
  %3 = icmp sgt i32 %0, 3
  %4 = tail call i1 @llvm.bpf.passthrough.i1.i1(i32 1, i1 %2)
  %5 = or i1 %3, %4, !dbg !142
  br i1 %5, label %10, label %6, !dbg !142

6:                                                ; preds = %1
  %7 = sext i32 %0 to i64, !dbg !143
  %8 = getelementptr inbounds [4 x i32], [4 x i32]* @table, i64 0, i64 %7, !dbg !143
  %9 = load i32, i32* %8, align 4, !dbg !143, !tbaa !144
  br label %10, !dbg !146

10:                                               ; preds = %1, %6
  %11 = phi i32 [ %9, %6 ], [ -1, %1 ], !dbg !146
  ret i32 %11, !dbg !147
}

; Function Attrs: mustprogress nofree norecurse nosync nounwind readnone willreturn
define dso_local i32 @both(i32 noundef %0, i32 noundef %1) local_unnamed_addr #1 !dbg !148 {
  call void @llvm.dbg.value(metadata i32 %0, metadata !152, metadata !DIExpression()), !dbg !154
  call void @llvm.dbg.value(metadata i32 %1, metadata !153, metadata !DIExpression()), !dbg !154
  %3 = tail call fastcc i32 @helper(i32 noundef %0, i32 noundef %1), !dbg !155
  %4 = add nsw i32 %0, 1, !dbg !156
  %5 = tail call fastcc i32 @helper(i32 noundef %1, i32 noundef %4), !dbg !157
  %6 = add nsw i32 %5, %3, !dbg !158
  ret i32 %6, !dbg !159
}

; Function Attrs: mustprogress nofree noinline norecurse nosync nounwind readnone willreturn
define internal fastcc i32 @helper(i32 noundef %0, i32 noundef %1) unnamed_addr #5 !dbg !160 {
  call void @llvm.dbg.value(metadata i32 %0, metadata !162, metadata !DIExpression()), !dbg !164
  call void @llvm.dbg.value(metadata i32 %1, metadata !163, metadata !DIExpression()), !dbg !164
  %3 = mul nsw i32 %1, %0, !dbg !165
  %4 = add nsw i32 %3, 3, !dbg !166
  ret i32 %4, !dbg !167
}

; Function Attrs: mustprogress nofree norecurse nosync nounwind readonly willreturn
define dso_local i64 @added(%struct.point* noundef readonly %0) local_unnamed_addr #3 !dbg !168 {
  call void @llvm.dbg.value(metadata %struct.point* %0, metadata !177, metadata !DIExpression()), !dbg !178
  %2 = icmp eq %struct.point* %0, null, !dbg !179
  br i1 %2, label %10, label %3, !dbg !179

3:                                                ; preds = %1
  %4 = getelementptr inbounds %struct.point, %struct.point* %0, i64 0, i32 0, !dbg !180
  %5 = load i32, i32* %4, align 8, !dbg !180, !tbaa !181
  %6 = sext i32 %5 to i64, !dbg !184
  %7 = getelementptr inbounds %struct.point, %struct.point* %0, i64 0, i32 1, !dbg !185
  %8 = load i64, i64* %7, align 8, !dbg !185, !tbaa !186
  %9 = add nsw i64 %8, %6, !dbg !187
  br label %10, !dbg !179

10:                                               ; preds = %1, %3
  %11 = phi i64 [ %9, %3 ], [ -1, %1 ], !dbg !179
  ret i64 %11, !dbg !188
}

; Function Attrs: mustprogress nofree norecurse nosync nounwind readnone willreturn
define dso_local i8* @word() local_unnamed_addr #1 !dbg !189 {
  ret i8* getelementptr inbounds ([9 x i8], [9 x i8]* @.str, i64 0, i64 0), !dbg !195
}

; Function Attrs: mustprogress nofree norecurse nosync nounwind readnone willreturn
define dso_local i32 @five(i32 noundef %0, i32 noundef %1, i32 noundef %2, i32 noundef %3, i32 noundef %4) local_unnamed_addr #1 !dbg !196 {
  call void @llvm.dbg.value(metadata i32 %0, metadata !200, metadata !DIExpression()), !dbg !205
  call void @llvm.dbg.value(metadata i32 %1, metadata !201, metadata !DIExpression()), !dbg !205
  call void @llvm.dbg.value(metadata i32 %2, metadata !202, metadata !DIExpression()), !dbg !205
  call void @llvm.dbg.value(metadata i32 %3, metadata !203, metadata !DIExpression()), !dbg !205
  call void @llvm.dbg.value(metadata i32 %4, metadata !204, metadata !DIExpression()), !dbg !205
  %6 = mul nsw i32 %4, 10, !dbg !206
  %7 = add nsw i32 %6, %3, !dbg !207
  %8 = mul nsw i32 %7, 10, !dbg !208
  %9 = add nsw i32 %8, %2, !dbg !209
  %10 = mul nsw i32 %9, 10, !dbg !210
  %11 = add nsw i32 %10, %1, !dbg !211
  %12 = mul nsw i32 %11, 10, !dbg !212
  %13 = add nsw i32 %12, %0, !dbg !213
  ret i32 %13, !dbg !214
}

; Function Attrs: nounwind
define dso_local i64 @total(i32 noundef %0) local_unnamed_addr #6 !dbg !215 {
  %2 = alloca i64, align 8
  call void @llvm.dbg.value(metadata i32 %0, metadata !219, metadata !DIExpression()), !dbg !221
  %3 = bitcast i64* %2 to i8*, !dbg !222
  call void @llvm.lifetime.start.p0i8(i64 8, i8* nonnull %3) #12, !dbg !222
  call void @llvm.dbg.value(metadata i64 0, metadata !220, metadata !DIExpression()), !dbg !221
  store i64 0, i64* %2, align 8, !dbg !223, !tbaa !118
  call void @llvm.dbg.value(metadata i64* %2, metadata !220, metadata !DIExpression(DW_OP_deref)), !dbg !221
  %4 = call i64 inttoptr (i64 181 to i64 (i32, i8*, i8*, i64)*)(i32 noundef %0, i8* noundef bitcast (i32 (i32, i64*)* @step to i8*), i8* noundef nonnull %3, i64 noundef 0) #12, !dbg !224
  %5 = load i64, i64* %2, align 8, !dbg !225, !tbaa !118
  call void @llvm.dbg.value(metadata i64 %5, metadata !220, metadata !DIExpression()), !dbg !221
  call void @llvm.lifetime.end.p0i8(i64 8, i8* nonnull %3) #12, !dbg !226
  ret i64 %5, !dbg !227
}

; Function Attrs: argmemonly mustprogress nofree nosync nounwind willreturn
declare void @llvm.lifetime.start.p0i8(i64 immarg, i8* nocapture) #7

; Function Attrs: mustprogress nofree norecurse nosync nounwind willreturn
define internal i32 @step(i32 noundef %0, i64* nocapture noundef %1) #2 !dbg !228 {
  call void @llvm.dbg.value(metadata i32 %0, metadata !232, metadata !DIExpression()), !dbg !234
  call void @llvm.dbg.value(metadata i64* %1, metadata !233, metadata !DIExpression()), !dbg !234
  %3 = zext i32 %0 to i64, !dbg !235
  %4 = load i64, i64* %1, align 8, !dbg !236, !tbaa !118
  %5 = add i64 %4, %3, !dbg !236
  store i64 %5, i64* %1, align 8, !dbg !236, !tbaa !118
  ret i32 0, !dbg !237
}

; Function Attrs: argmemonly mustprogress nofree nosync nounwind willreturn
declare void @llvm.lifetime.end.p0i8(i64 immarg, i8* nocapture) #7

; Function Attrs: nounwind
define dso_local i64 @seen(i32 noundef %0) local_unnamed_addr #6 !dbg !238 {
  %2 = alloca i32, align 4
  %3 = alloca i64, align 8
  call void @llvm.dbg.value(metadata i32 %0, metadata !240, metadata !DIExpression()), !dbg !243
  store i32 %0, i32* %2, align 4, !tbaa !144
  %4 = bitcast i64* %3 to i8*, !dbg !244
  call void @llvm.lifetime.start.p0i8(i64 8, i8* nonnull %4) #12, !dbg !244
  call void @llvm.dbg.value(metadata i64 1, metadata !241, metadata !DIExpression()), !dbg !243
  store i64 1, i64* %3, align 8, !dbg !245, !tbaa !118
  %5 = bitcast i32* %2 to i8*, !dbg !246
  call void @llvm.dbg.value(metadata i32* %2, metadata !240, metadata !DIExpression(DW_OP_deref)), !dbg !243
  %6 = call i8* inttoptr (i64 1 to i8* (i8*, i8*)*)(i8* noundef bitcast (%struct.anon* @counts to i8*), i8* noundef nonnull %5) #12, !dbg !247
  %7 = bitcast i8* %6 to i64*, !dbg !247
  call void @llvm.dbg.value(metadata i64* %7, metadata !242, metadata !DIExpression()), !dbg !243
  %8 = icmp eq i8* %6, null, !dbg !248
  br i1 %8, label %12, label %9, !dbg !250

9:                                                ; preds = %1
  %10 = load i64, i64* %7, align 8, !dbg !251, !tbaa !118
  %11 = add i64 %10, 1, !dbg !251
  store i64 %11, i64* %7, align 8, !dbg !251, !tbaa !118
  br label %15, !dbg !252

12:                                               ; preds = %1
  call void @llvm.dbg.value(metadata i32* %2, metadata !240, metadata !DIExpression(DW_OP_deref)), !dbg !243
  call void @llvm.dbg.value(metadata i64* %3, metadata !241, metadata !DIExpression(DW_OP_deref)), !dbg !243
  %13 = call i64 inttoptr (i64 2 to i64 (i8*, i8*, i8*, i64)*)(i8* noundef bitcast (%struct.anon* @counts to i8*), i8* noundef nonnull %5, i8* noundef nonnull %4, i64 noundef 0) #12, !dbg !253
  %14 = load i64, i64* %3, align 8, !dbg !254, !tbaa !118
  call void @llvm.dbg.value(metadata i64 %14, metadata !241, metadata !DIExpression()), !dbg !243
  br label %15, !dbg !255

15:                                               ; preds = %12, %9
  %16 = phi i64 [ %11, %9 ], [ %14, %12 ], !dbg !243
  call void @llvm.lifetime.end.p0i8(i64 8, i8* nonnull %4) #12, !dbg !256
  ret i64 %16, !dbg !256
}

; Function Attrs: nounwind
define dso_local i32 @tgid_of(%struct.task_struct* noundef %0) local_unnamed_addr #6 !dbg !257 {
  %2 = alloca i32, align 4
  call void @llvm.dbg.value(metadata %struct.task_struct* %0, metadata !262, metadata !DIExpression()), !dbg !264
  %3 = bitcast i32* %2 to i8*, !dbg !265
  call void @llvm.lifetime.start.p0i8(i64 4, i8* nonnull %3) #12, !dbg !265
  call void @llvm.dbg.value(metadata i32 0, metadata !263, metadata !DIExpression()), !dbg !264
  store i32 0, i32* %2, align 4, !dbg !266, !tbaa !144
  %4 = load i64, i64* @"llvm.task_struct:0:0$0:0", align 8
  %5 = bitcast %struct.task_struct* %0 to i8*
  %6 = getelementptr i8, i8* %5, i64 %4
  %7 = bitcast i8* %6 to i32*
  %8 = tail call i32* @llvm.bpf.passthrough.p0i32.p0i32(i32 0, i32* %7)
  %9 = bitcast i32* %8 to i8*, !dbg !267
  call void @llvm.dbg.value(metadata i32* %2, metadata !263, metadata !DIExpression(DW_OP_deref)), !dbg !264
  %10 = call i64 inttoptr (i64 113 to i64 (i8*, i32, i8*)*)(i8* noundef nonnull %3, i32 noundef 4, i8* noundef %9) #12, !dbg !268
  %11 = load i32, i32* %2, align 4, !dbg !269, !tbaa !144
  call void @llvm.dbg.value(metadata i32 %11, metadata !263, metadata !DIExpression()), !dbg !264
  call void @llvm.lifetime.end.p0i8(i64 4, i8* nonnull %3) #12, !dbg !270
  ret i32 %11, !dbg !271
}

; Function Attrs: mustprogress nofree norecurse nounwind willreturn
define dso_local i32 @bad(i32 noundef %0) local_unnamed_addr #8 !dbg !272 {
  call void @llvm.dbg.value(metadata i32 %0, metadata !276, metadata !DIExpression()), !dbg !277
  %2 = zext i32 %0 to i64, !dbg !278
  %3 = getelementptr inbounds [4 x i32], [4 x i32]* @table, i64 0, i64 %2, !dbg !278
  %4 = load volatile i32, i32* %3, align 4, !dbg !278, !tbaa !144
  ret i32 %4, !dbg !279
}

; Function Attrs: nofree nosync nounwind readnone
declare i32* @llvm.bpf.passthrough.p0i32.p0i32(i32, i32*) #9

; Function Attrs: nofree nosync nounwind readnone speculatable willreturn
declare void @llvm.dbg.value(metadata, metadata, metadata) #10

; Function Attrs: nounwind readnone
declare i1 @llvm.bpf.passthrough.i1.i1(i32, i1) #11

attributes #0 = { "btf_ama" }
attributes #1 = { mustprogress nofree norecurse nosync nounwind readnone willreturn "frame-pointer"="all" "min-legal-vector-width"="0" "no-trapping-math"="true" "stack-protector-buffer-size"="8" "target-cpu"="v3" }
attributes #2 = { mustprogress nofree norecurse nosync nounwind willreturn "frame-pointer"="all" "min-legal-vector-width"="0" "no-trapping-math"="true" "stack-protector-buffer-size"="8" "target-cpu"="v3" }
attributes #3 = { mustprogress nofree norecurse nosync nounwind readonly willreturn "frame-pointer"="all" "min-legal-vector-width"="0" "no-trapping-math"="true" "stack-protector-buffer-size"="8" "target-cpu"="v3" }
attributes #4 = { mustprogress nofree nosync nounwind readnone willreturn "frame-pointer"="all" "min-legal-vector-width"="0" "no-trapping-math"="true" "stack-protector-buffer-size"="8" "target-cpu"="v3" }
attributes #5 = { mustprogress nofree noinline norecurse nosync nounwind readnone willreturn "frame-pointer"="all" "min-legal-vector-width"="0" "no-trapping-math"="true" "stack-protector-buffer-size"="8" "target-cpu"="v3" }
attributes #6 = { nounwind "frame-pointer"="all" "min-legal-vector-width"="0" "no-trapping-math"="true" "stack-protector-buffer-size"="8" "target-cpu"="v3" }
attributes #7 = { argmemonly mustprogress nofree nosync nounwind willreturn }
attributes #8 = { mustprogress nofree norecurse nounwind willreturn "frame-pointer"="all" "min-legal-vector-width"="0" "no-trapping-math"="true" "stack-protector-buffer-size"="8" "target-cpu"="v3" }
attributes #9 = { nofree nosync nounwind readnone }
attributes #10 = { nofree nosync nounwind readnone speculatable willreturn }
attributes #11 = { nounwind readnone }
attributes #12 = { nounwind }

!llvm.dbg.cu = !{!2}
!llvm.module.flags = !{!70, !71, !72, !73}
!llvm.ident = !{!74}

!0 = !DIGlobalVariableExpression(var: !1, expr: !DIExpression())
!1 = distinct !DIGlobalVariable(name: "calls", scope: !2, file: !3, line: 23, type: !39, isLocal: false, isDefinition: true)
!2 = distinct !DICompileUnit(language: DW_LANG_C99, file: !3, producer: "clang", isOptimized: true, runtimeVersion: 0, emissionKind: FullDebug, enums: !4, retainedTypes: !10, globals: !14, splitDebugInlining: false, nameTableKind: None)
!3 = !DIFile(filename: "imported.bpf.c", directory: "/src", checksumkind: CSK_MD5, checksum: "e3729e6cb08f527697067aec2e0f26de")
!4 = !{!5}
!5 = !DICompositeType(tag: DW_TAG_enumeration_type, name: "color", file: !3, line: 12, baseType: !6, size: 32, elements: !7)
!6 = !DIBasicType(name: "unsigned int", size: 32, encoding: DW_ATE_unsigned)
!7 = !{!8, !9}
!8 = !DIEnumerator(name: "RED", value: 0)
!9 = !DIEnumerator(name: "GREEN", value: 1)
!10 = !{!11}
!11 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !12, size: 64)
!12 = !DIDerivedType(tag: DW_TAG_volatile_type, baseType: !13)
!13 = !DIBasicType(name: "int", size: 32, encoding: DW_ATE_signed)
!14 = !{!0, !15, !21, !40, !43, !50, !57, !62}
!15 = !DIGlobalVariableExpression(var: !16, expr: !DIExpression())
!16 = distinct !DIGlobalVariable(name: "table", scope: !2, file: !3, line: 25, type: !17, isLocal: false, isDefinition: true)
!17 = !DICompositeType(tag: DW_TAG_array_type, baseType: !18, size: 128, elements: !19)
!18 = !DIDerivedType(tag: DW_TAG_const_type, baseType: !13)
!19 = !{!20}
!20 = !DISubrange(count: 4)
!21 = !DIGlobalVariableExpression(var: !22, expr: !DIExpression())
!22 = distinct !DIGlobalVariable(name: "counts", scope: !2, file: !3, line: 21, type: !23, isLocal: false, isDefinition: true)
!23 = distinct !DICompositeType(tag: DW_TAG_structure_type, file: !3, line: 16, size: 256, elements: !24)
!24 = !{!25, !30, !35, !37}
!25 = !DIDerivedType(tag: DW_TAG_member, name: "type", scope: !23, file: !3, line: 17, baseType: !26, size: 64)
!26 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !27, size: 64)
!27 = !DICompositeType(tag: DW_TAG_array_type, baseType: !13, size: 32, elements: !28)
!28 = !{!29}
!29 = !DISubrange(count: 1)
!30 = !DIDerivedType(tag: DW_TAG_member, name: "max_entries", scope: !23, file: !3, line: 18, baseType: !31, size: 64, offset: 64)
!31 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !32, size: 64)
!32 = !DICompositeType(tag: DW_TAG_array_type, baseType: !13, size: 2048, elements: !33)
!33 = !{!34}
!34 = !DISubrange(count: 64)
!35 = !DIDerivedType(tag: DW_TAG_member, name: "key", scope: !23, file: !3, line: 19, baseType: !36, size: 64, offset: 128)
!36 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !6, size: 64)
!37 = !DIDerivedType(tag: DW_TAG_member, name: "value", scope: !23, file: !3, line: 20, baseType: !38, size: 64, offset: 192)
!38 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !39, size: 64)
!39 = !DIBasicType(name: "unsigned long long", size: 64, encoding: DW_ATE_unsigned)
!40 = !DIGlobalVariableExpression(var: !41, expr: !DIExpression())
!41 = distinct !DIGlobalVariable(name: "zeros", scope: !2, file: !3, line: 24, type: !42, isLocal: false, isDefinition: true)
!42 = !DICompositeType(tag: DW_TAG_array_type, baseType: !39, size: 256, elements: !19)
!43 = !DIGlobalVariableExpression(var: !44, expr: !DIExpression())
!44 = distinct !DIGlobalVariable(name: "loop", scope: !2, file: !3, line: 10, type: !45, isLocal: true, isDefinition: true)
!45 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !46, size: 64)
!46 = !DISubroutineType(types: !47)
!47 = !{!48, !6, !49, !49, !39}
!48 = !DIBasicType(name: "long", size: 64, encoding: DW_ATE_signed)
!49 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: null, size: 64)
!50 = !DIGlobalVariableExpression(var: !51, expr: !DIExpression())
!51 = distinct !DIGlobalVariable(name: "map_lookup", scope: !2, file: !3, line: 7, type: !52, isLocal: true, isDefinition: true)
!52 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !53, size: 64)
!53 = !DISubroutineType(types: !54)
!54 = !{!49, !49, !55}
!55 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !56, size: 64)
!56 = !DIDerivedType(tag: DW_TAG_const_type, baseType: null)
!57 = !DIGlobalVariableExpression(var: !58, expr: !DIExpression())
!58 = distinct !DIGlobalVariable(name: "map_update", scope: !2, file: !3, line: 8, type: !59, isLocal: true, isDefinition: true)
!59 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !60, size: 64)
!60 = !DISubroutineType(types: !61)
!61 = !{!48, !49, !55, !55, !39}
!62 = !DIGlobalVariableExpression(var: !63, expr: !DIExpression())
!63 = distinct !DIGlobalVariable(name: "read_kernel", scope: !2, file: !3, line: 9, type: !64, isLocal: true, isDefinition: true)
!64 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !65, size: 64)
!65 = !DISubroutineType(types: !66)
!66 = !{!48, !49, !6, !55}
!67 = distinct !DICompositeType(tag: DW_TAG_structure_type, name: "task_struct", file: !3, line: 14, size: 32, elements: !68)
!68 = !{!69}
!69 = !DIDerivedType(tag: DW_TAG_member, name: "tgid", scope: !67, file: !3, line: 14, baseType: !13, size: 32)
!70 = !{i32 7, !"Dwarf Version", i32 5}
!71 = !{i32 2, !"Debug Info Version", i32 3}
!72 = !{i32 1, !"wchar_size", i32 4}
!73 = !{i32 7, !"frame-pointer", i32 2}
!74 = !{!"clang"}
!75 = distinct !DISubprogram(name: "add_one", scope: !3, file: !3, line: 30, type: !76, scopeLine: 30, flags: DIFlagPrototyped | DIFlagAllCallsDescribed, spFlags: DISPFlagDefinition | DISPFlagOptimized, unit: !2, retainedNodes: !78)
!76 = !DISubroutineType(types: !77)
!77 = !{!13, !13}
!78 = !{!79}
!79 = !DILocalVariable(name: "value", arg: 1, scope: !75, file: !3, line: 30, type: !13)
!80 = !DILocation(line: 0, scope: !75)
!81 = !DILocation(line: 30, column: 39, scope: !75)
!82 = !DILocation(line: 30, column: 26, scope: !75)
!83 = distinct !DISubprogram(name: "narrow", scope: !3, file: !3, line: 31, type: !84, scopeLine: 31, flags: DIFlagPrototyped | DIFlagAllCallsDescribed, spFlags: DISPFlagDefinition | DISPFlagOptimized, unit: !2, retainedNodes: !87)
!84 = !DISubroutineType(types: !85)
!85 = !{!86, !86}
!86 = !DIBasicType(name: "unsigned char", size: 8, encoding: DW_ATE_unsigned_char)
!87 = !{!88}
!88 = !DILocalVariable(name: "value", arg: 1, scope: !83, file: !3, line: 31, type: !86)
!89 = !DILocation(line: 0, scope: !83)
!90 = !DILocation(line: 31, column: 58, scope: !83)
!91 = !DILocation(line: 31, column: 45, scope: !83)
!92 = distinct !DISubprogram(name: "is_big", scope: !3, file: !3, line: 32, type: !93, scopeLine: 32, flags: DIFlagPrototyped | DIFlagAllCallsDescribed, spFlags: DISPFlagDefinition | DISPFlagOptimized, unit: !2, retainedNodes: !96)
!93 = !DISubroutineType(types: !94)
!94 = !{!95, !48}
!95 = !DIBasicType(name: "_Bool", size: 8, encoding: DW_ATE_boolean)
!96 = !{!97}
!97 = !DILocalVariable(name: "value", arg: 1, scope: !92, file: !3, line: 32, type: !48)
!98 = !DILocation(line: 0, scope: !92)
!99 = !DILocation(line: 32, column: 41, scope: !92)
!100 = !DILocation(line: 32, column: 28, scope: !92)
!101 = distinct !DISubprogram(name: "other", scope: !3, file: !3, line: 33, type: !102, scopeLine: 33, flags: DIFlagPrototyped | DIFlagAllCallsDescribed, spFlags: DISPFlagDefinition | DISPFlagOptimized, unit: !2, retainedNodes: !104)
!102 = !DISubroutineType(types: !103)
!103 = !{!5, !5}
!104 = !{!105}
!105 = !DILocalVariable(name: "c", arg: 1, scope: !101, file: !3, line: 33, type: !5)
!106 = !DILocation(line: 0, scope: !101)
!107 = !DILocation(line: 33, column: 43, scope: !101)
!108 = !DILocation(line: 33, column: 41, scope: !101)
!109 = !DILocation(line: 33, column: 34, scope: !101)
!110 = distinct !DISubprogram(name: "nothing", scope: !3, file: !3, line: 34, type: !111, scopeLine: 34, flags: DIFlagPrototyped | DIFlagAllCallsDescribed, spFlags: DISPFlagDefinition | DISPFlagOptimized, unit: !2, retainedNodes: !113)
!111 = !DISubroutineType(types: !112)
!112 = !{null, !13}
!113 = !{!114}
!114 = !DILocalVariable(name: "value", arg: 1, scope: !110, file: !3, line: 34, type: !13)
!115 = !DILocation(line: 0, scope: !110)
!116 = !DILocation(line: 34, column: 39, scope: !110)
!117 = !DILocation(line: 34, column: 36, scope: !110)
!118 = !{!119, !119, i64 0}
!119 = !{!"long long", !120, i64 0}
!120 = !{!"omnipotent char", !121, i64 0}
!121 = !{!"Simple C/C++ TBAA"}
!122 = !DILocation(line: 34, column: 46, scope: !110)
!123 = distinct !DISubprogram(name: "noted", scope: !3, file: !3, line: 35, type: !124, scopeLine: 35, flags: DIFlagPrototyped | DIFlagAllCallsDescribed, spFlags: DISPFlagDefinition | DISPFlagOptimized, unit: !2, retainedNodes: !126)
!124 = !DISubroutineType(types: !125)
!125 = !{!39}
!126 = !{}
!127 = !DILocation(line: 35, column: 41, scope: !123)
!128 = !DILocation(line: 35, column: 34, scope: !123)
!129 = distinct !DISubprogram(name: "bump", scope: !3, file: !3, line: 36, type: !130, scopeLine: 36, flags: DIFlagPrototyped | DIFlagAllCallsDescribed, spFlags: DISPFlagDefinition | DISPFlagOptimized, unit: !2, retainedNodes: !132)
!130 = !DISubroutineType(types: !131)
!131 = !{!39, !39}
!132 = !{!133}
!133 = !DILocalVariable(name: "by", arg: 1, scope: !129, file: !3, line: 36, type: !39)
!134 = !DILocation(line: 0, scope: !129)
!135 = !DILocation(line: 36, column: 56, scope: !129)
!136 = !DILocation(line: 36, column: 63, scope: !129)
!137 = distinct !DISubprogram(name: "look", scope: !3, file: !3, line: 37, type: !76, scopeLine: 37, flags: DIFlagPrototyped | DIFlagAllCallsDescribed, spFlags: DISPFlagDefinition | DISPFlagOptimized, unit: !2, retainedNodes: !138)
!138 = !{!139}
!139 = !DILocalVariable(name: "at", arg: 1, scope: !137, file: !3, line: 37, type: !13)
!140 = !DILocation(line: 0, scope: !137)
!141 = !DILocation(line: 37, column: 30, scope: !137)
!142 = !DILocation(line: 37, column: 34, scope: !137)
!143 = !DILocation(line: 37, column: 51, scope: !137)
!144 = !{!145, !145, i64 0}
!145 = !{!"int", !120, i64 0}
!146 = !DILocation(line: 37, column: 27, scope: !137)
!147 = !DILocation(line: 37, column: 20, scope: !137)
!148 = distinct !DISubprogram(name: "both", scope: !3, file: !3, line: 38, type: !149, scopeLine: 38, flags: DIFlagPrototyped | DIFlagAllCallsDescribed, spFlags: DISPFlagDefinition | DISPFlagOptimized, unit: !2, retainedNodes: !151)
!149 = !DISubroutineType(types: !150)
!150 = !{!13, !13, !13}
!151 = !{!152, !153}
!152 = !DILocalVariable(name: "a", arg: 1, scope: !148, file: !3, line: 38, type: !13)
!153 = !DILocalVariable(name: "b", arg: 2, scope: !148, file: !3, line: 38, type: !13)
!154 = !DILocation(line: 0, scope: !148)
!155 = !DILocation(line: 38, column: 33, scope: !148)
!156 = !DILocation(line: 38, column: 60, scope: !148)
!157 = !DILocation(line: 38, column: 48, scope: !148)
!158 = !DILocation(line: 38, column: 46, scope: !148)
!159 = !DILocation(line: 38, column: 26, scope: !148)
!160 = distinct !DISubprogram(name: "helper", scope: !3, file: !3, line: 27, type: !149, scopeLine: 27, flags: DIFlagPrototyped | DIFlagAllCallsDescribed, spFlags: DISPFlagLocalToUnit | DISPFlagDefinition | DISPFlagOptimized, unit: !2, retainedNodes: !161)
!161 = !{!162, !163}
!162 = !DILocalVariable(name: "a", arg: 1, scope: !160, file: !3, line: 27, type: !13)
!163 = !DILocalVariable(name: "b", arg: 2, scope: !160, file: !3, line: 27, type: !13)
!164 = !DILocation(line: 0, scope: !160)
!165 = !DILocation(line: 27, column: 70, scope: !160)
!166 = !DILocation(line: 27, column: 74, scope: !160)
!167 = !DILocation(line: 27, column: 61, scope: !160)
!168 = distinct !DISubprogram(name: "added", scope: !3, file: !3, line: 39, type: !169, scopeLine: 39, flags: DIFlagPrototyped | DIFlagAllCallsDescribed, spFlags: DISPFlagDefinition | DISPFlagOptimized, unit: !2, retainedNodes: !176)
!169 = !DISubroutineType(types: !170)
!170 = !{!48, !171}
!171 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !172, size: 64)
!172 = distinct !DICompositeType(tag: DW_TAG_structure_type, name: "point", file: !3, line: 13, size: 128, elements: !173)
!173 = !{!174, !175}
!174 = !DIDerivedType(tag: DW_TAG_member, name: "x", scope: !172, file: !3, line: 13, baseType: !13, size: 32)
!175 = !DIDerivedType(tag: DW_TAG_member, name: "y", scope: !172, file: !3, line: 13, baseType: !48, size: 64, offset: 64)
!176 = !{!177}
!177 = !DILocalVariable(name: "p", arg: 1, scope: !168, file: !3, line: 39, type: !171)
!178 = !DILocation(line: 0, scope: !168)
!179 = !DILocation(line: 39, column: 38, scope: !168)
!180 = !DILocation(line: 39, column: 45, scope: !168)
!181 = !{!182, !145, i64 0}
!182 = !{!"point", !145, i64 0, !183, i64 8}
!183 = !{!"long", !120, i64 0}
!184 = !DILocation(line: 39, column: 42, scope: !168)
!185 = !DILocation(line: 39, column: 52, scope: !168)
!186 = !{!182, !183, i64 8}
!187 = !DILocation(line: 39, column: 47, scope: !168)
!188 = !DILocation(line: 39, column: 31, scope: !168)
!189 = distinct !DISubprogram(name: "word", scope: !3, file: !3, line: 40, type: !190, scopeLine: 40, flags: DIFlagPrototyped | DIFlagAllCallsDescribed, spFlags: DISPFlagDefinition | DISPFlagOptimized, unit: !2, retainedNodes: !126)
!190 = !DISubroutineType(types: !191)
!191 = !{!192}
!192 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !193, size: 64)
!193 = !DIDerivedType(tag: DW_TAG_const_type, baseType: !194)
!194 = !DIBasicType(name: "char", size: 8, encoding: DW_ATE_signed_char)
!195 = !DILocation(line: 40, column: 26, scope: !189)
!196 = distinct !DISubprogram(name: "five", scope: !3, file: !3, line: 41, type: !197, scopeLine: 41, flags: DIFlagPrototyped | DIFlagAllCallsDescribed, spFlags: DISPFlagDefinition | DISPFlagOptimized, unit: !2, retainedNodes: !199)
!197 = !DISubroutineType(types: !198)
!198 = !{!13, !13, !13, !13, !13, !13}
!199 = !{!200, !201, !202, !203, !204}
!200 = !DILocalVariable(name: "a", arg: 1, scope: !196, file: !3, line: 41, type: !13)
!201 = !DILocalVariable(name: "b", arg: 2, scope: !196, file: !3, line: 41, type: !13)
!202 = !DILocalVariable(name: "c", arg: 3, scope: !196, file: !3, line: 41, type: !13)
!203 = !DILocalVariable(name: "d", arg: 4, scope: !196, file: !3, line: 41, type: !13)
!204 = !DILocalVariable(name: "e", arg: 5, scope: !196, file: !3, line: 41, type: !13)
!205 = !DILocation(line: 0, scope: !196)
!206 = !DILocation(line: 41, column: 91, scope: !196)
!207 = !DILocation(line: 41, column: 86, scope: !196)
!208 = !DILocation(line: 41, column: 81, scope: !196)
!209 = !DILocation(line: 41, column: 76, scope: !196)
!210 = !DILocation(line: 41, column: 71, scope: !196)
!211 = !DILocation(line: 41, column: 66, scope: !196)
!212 = !DILocation(line: 41, column: 61, scope: !196)
!213 = !DILocation(line: 41, column: 56, scope: !196)
!214 = !DILocation(line: 41, column: 47, scope: !196)
!215 = distinct !DISubprogram(name: "total", scope: !3, file: !3, line: 42, type: !216, scopeLine: 42, flags: DIFlagPrototyped | DIFlagAllCallsDescribed, spFlags: DISPFlagDefinition | DISPFlagOptimized, unit: !2, retainedNodes: !218)
!216 = !DISubroutineType(types: !217)
!217 = !{!39, !6}
!218 = !{!219, !220}
!219 = !DILocalVariable(name: "count", arg: 1, scope: !215, file: !3, line: 42, type: !6)
!220 = !DILocalVariable(name: "sum", scope: !215, file: !3, line: 42, type: !39)
!221 = !DILocation(line: 0, scope: !215)
!222 = !DILocation(line: 42, column: 44, scope: !215)
!223 = !DILocation(line: 42, column: 63, scope: !215)
!224 = !DILocation(line: 42, column: 72, scope: !215)
!225 = !DILocation(line: 42, column: 107, scope: !215)
!226 = !DILocation(line: 42, column: 112, scope: !215)
!227 = !DILocation(line: 42, column: 100, scope: !215)
!228 = distinct !DISubprogram(name: "step", scope: !3, file: !3, line: 28, type: !229, scopeLine: 28, flags: DIFlagPrototyped | DIFlagAllCallsDescribed, spFlags: DISPFlagLocalToUnit | DISPFlagDefinition | DISPFlagOptimized, unit: !2, retainedNodes: !231)
!229 = !DISubroutineType(types: !230)
!230 = !{!13, !6, !38}
!231 = !{!232, !233}
!232 = !DILocalVariable(name: "i", arg: 1, scope: !228, file: !3, line: 28, type: !6)
!233 = !DILocalVariable(name: "sum", arg: 2, scope: !228, file: !3, line: 28, type: !38)
!234 = !DILocation(line: 0, scope: !228)
!235 = !DILocation(line: 28, column: 64, scope: !228)
!236 = !DILocation(line: 28, column: 61, scope: !228)
!237 = !DILocation(line: 28, column: 67, scope: !228)
!238 = distinct !DISubprogram(name: "seen", scope: !3, file: !3, line: 44, type: !216, scopeLine: 45, flags: DIFlagPrototyped | DIFlagAllCallsDescribed, spFlags: DISPFlagDefinition | DISPFlagOptimized, unit: !2, retainedNodes: !239)
!239 = !{!240, !241, !242}
!240 = !DILocalVariable(name: "key", arg: 1, scope: !238, file: !3, line: 44, type: !6)
!241 = !DILocalVariable(name: "one", scope: !238, file: !3, line: 46, type: !39)
!242 = !DILocalVariable(name: "known", scope: !238, file: !3, line: 46, type: !38)
!243 = !DILocation(line: 0, scope: !238)
!244 = !DILocation(line: 46, column: 2, scope: !238)
!245 = !DILocation(line: 46, column: 21, scope: !238)
!246 = !DILocation(line: 46, column: 59, scope: !238)
!247 = !DILocation(line: 46, column: 39, scope: !238)
!248 = !DILocation(line: 47, column: 6, scope: !249)
!249 = distinct !DILexicalBlock(scope: !238, file: !3, line: 47, column: 6)
!250 = !DILocation(line: 47, column: 6, scope: !238)
!251 = !DILocation(line: 48, column: 10, scope: !249)
!252 = !DILocation(line: 48, column: 3, scope: !249)
!253 = !DILocation(line: 49, column: 2, scope: !238)
!254 = !DILocation(line: 50, column: 9, scope: !238)
!255 = !DILocation(line: 50, column: 2, scope: !238)
!256 = !DILocation(line: 51, column: 1, scope: !238)
!257 = distinct !DISubprogram(name: "tgid_of", scope: !3, file: !3, line: 53, type: !258, scopeLine: 54, flags: DIFlagPrototyped | DIFlagAllCallsDescribed, spFlags: DISPFlagDefinition | DISPFlagOptimized, unit: !2, retainedNodes: !261)
!258 = !DISubroutineType(types: !259)
!259 = !{!13, !260}
!260 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !67, size: 64)
!261 = !{!262, !263}
!262 = !DILocalVariable(name: "task", arg: 1, scope: !257, file: !3, line: 53, type: !260)
!263 = !DILocalVariable(name: "tgid", scope: !257, file: !3, line: 55, type: !13)
!264 = !DILocation(line: 0, scope: !257)
!265 = !DILocation(line: 55, column: 2, scope: !257)
!266 = !DILocation(line: 55, column: 6, scope: !257)
!267 = !DILocation(line: 56, column: 35, scope: !257)
!268 = !DILocation(line: 56, column: 2, scope: !257)
!269 = !DILocation(line: 57, column: 9, scope: !257)
!270 = !DILocation(line: 58, column: 1, scope: !257)
!271 = !DILocation(line: 57, column: 2, scope: !257)
!272 = distinct !DISubprogram(name: "bad", scope: !3, file: !3, line: 60, type: !273, scopeLine: 60, flags: DIFlagPrototyped | DIFlagAllCallsDescribed, spFlags: DISPFlagDefinition | DISPFlagOptimized, unit: !2, retainedNodes: !275)
!273 = !DISubroutineType(types: !274)
!274 = !{!13, !6}
!275 = !{!276}
!276 = !DILocalVariable(name: "at", arg: 1, scope: !272, file: !3, line: 60, type: !6)
!277 = !DILocation(line: 0, scope: !272)
!278 = !DILocation(line: 60, column: 31, scope: !272)
!279 = !DILocation(line: 60, column: 24, scope: !272)
